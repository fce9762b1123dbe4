//! Settings of the memory allocator for tensors.

/// Makes glibc reuse freed memory of tensors instead of returning it to the kernel.
///
/// Every layer of the network allocates tensors of tens to hundreds of megabytes and frees them soon after.
/// By default glibc requests each from the kernel and returns it, and the kernel clears and maps every page
/// again, which takes a sixth of a training step. With this setting the process keeps its peak memory until
/// it ends.
///
/// Does nothing except on Linux with glibc. Repeated calls are allowed.
pub fn keep_for_tensors() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Free bytes at the top of the heap above which glibc returns them to the kernel.
        const KEEP: libc::c_int = libc::c_int::MAX;
        // SAFETY: mallopt takes two integers and has no precondition; glibc locks its own state.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEEP);
        }
    }
}
