//! Ctrl-C and SIGTERM.

use burn::train::Interrupter;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Turns signals into a clean stop.
///
/// While training, the first signal asks the loop to stop after its step and the second ends the
/// process; elsewhere the first one ends it. Every file is written atomically, so that either way
/// nothing is lost but work since the last file.
pub(super) struct Interrupt {
    pub interrupter: Interrupter,
    training: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on. Where signals cannot be listened to, they do what they always do.
    pub fn listen() -> Self {
        let interrupt =
            Self { interrupter: Interrupter::new(), training: Arc::new(AtomicBool::new(false)) };
        if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) {
            let interrupter = interrupt.interrupter.clone();
            let training = interrupt.training.clone();
            std::thread::spawn(move || {
                for _ in signals.forever() {
                    let mut stderr = std::io::stderr();
                    if training.load(Ordering::SeqCst) && !interrupter.should_stop() {
                        let _ = writeln!(stderr, "\nstopping after this step (again: at once)");
                        interrupter.stop(Some("signal"));
                    } else {
                        let _ = writeln!(stderr, "\nstopped; the same command continues");
                        std::process::exit(130);
                    }
                }
            });
        }
        interrupt
    }

    /// Says that training begins or ends.
    pub fn set_training(&self, training: bool) {
        self.training.store(training, Ordering::SeqCst);
    }
}
