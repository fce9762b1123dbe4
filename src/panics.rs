//! Work of a library that panics where what it reads is damaged, kept to an error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is expected, and not to be printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`; a panic in it is an error with its message, and nothing is printed of it. What `work`
/// was changing when it panicked must not be used any more.
///
/// # Errors
/// The message of the panic.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                usual(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    done.map_err(|panic| text(panic.as_ref()))
}

/// What a panic said.
pub fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_words_and_work_goes_on() {
        assert_eq!(caught(|| 3), Ok(3));
        assert_eq!(caught(|| -> i32 { panic!("column {}", 7) }), Err("column 7".to_owned()));
        let nested = caught(|| caught(|| -> i32 { panic!("inner") }).unwrap_or(5));
        assert_eq!(nested, Ok(5));
        assert!(!QUIET.get());
    }
}
