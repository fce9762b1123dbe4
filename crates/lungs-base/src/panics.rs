//! Converts panics of libraries that panic on damaged input to errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether panics of this thread are caught and must not be printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Calls `work` and converts a panic to an error without printing it. Values that `work` was changing when it
/// panicked must not be used afterwards.
///
/// # Errors
/// The message of the panic.
pub fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default_hook = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                default_hook(panic);
            }
        }));
    });
    let was_quiet = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(was_quiet);
    result.map_err(|panic| message(panic.as_ref()))
}

/// The message of a panic.
pub fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        assert_eq!(catch_panic(|| 3), Ok(3));
        assert_eq!(catch_panic(|| -> i32 { panic!("column {}", 7) }), Err("column 7".to_owned()));
        let nested = catch_panic(|| catch_panic(|| -> i32 { panic!("inner") }).unwrap_or(5));
        assert_eq!(nested, Ok(5));
        assert!(!QUIET.get());
    }
}
