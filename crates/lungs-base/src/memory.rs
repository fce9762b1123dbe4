//! Settings of the memory allocator for volumes and tensors.

/// Makes glibc reuse freed memory instead of returning it to the kernel.
///
/// The steps of a preparation and the layers of a network allocate blocks of tens to hundreds of megabytes and free them
/// soon after. By default glibc requests each from the kernel and returns it, and the kernel clears and maps every page
/// again, which takes a sixth of a training step and more than a third of a preparation. With this setting the process
/// keeps its peak memory until it ends.
///
/// Threads that are created later share one heap: blocks that one thread frees serve all others, and glibc returns the
/// memory of other heaps to the kernel despite the setting.
///
/// Does nothing except on Linux with glibc. Repeated calls are allowed.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Free bytes at the top of the heap above which glibc returns them to the kernel.
        const KEEP: libc::c_int = libc::c_int::MAX;
        // SAFETY: mallopt takes two integers and has no precondition; glibc locks its own state.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEEP);
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}
