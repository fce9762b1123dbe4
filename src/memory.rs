//! How memory for tensors is kept between layers.

/// Lets the C library keep the memory that tensors leave behind for the next ones.
///
/// Every layer of the network makes tensors of tens to hundreds of megabytes and drops them soon
/// after. glibc asks the kernel for each and gives each back, so that every page is cleared and
/// mapped anew: a sixth of a training step. Told not to, it reuses them. The process then keeps its
/// highest level of memory until it ends.
///
/// Elsewhere than on Linux with glibc it does nothing. It can be called more than once.
pub fn keep_for_tensors() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Never give the top of the heap back below this many bytes.
        const KEEP: libc::c_int = libc::c_int::MAX;
        // SAFETY: mallopt takes two integers and has no precondition; glibc locks its own state.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEEP);
        }
    }
}
