//! Ctrl-C, SIGTERM, and a scheduler's warning.

use super::screen::Screen;
use burn::train::Interrupter;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Exit code after Ctrl-C or SIGTERM.
const STOPPED: u8 = 130;

/// Exit code after SIGUSR1: `EX_TEMPFAIL` of sysexits.h, try again. A job script may start itself
/// anew on it.
const TRY_AGAIN: u8 = 75;

/// Turns signals into a clean stop.
///
/// While training, the first signal asks the loop to stop after its step and the second ends the
/// process; elsewhere the first one ends it. Every file is written atomically, so that either way
/// nothing is lost but work since the last file. SIGUSR1 is what schedulers send before the time is
/// up, often to every process of a job and more than once: repeated, it hurries nothing.
pub(super) struct Interrupt {
    pub interrupter: Interrupter,
    /// The terminal, where a dashboard has it.
    pub screen: Screen,
    training: Arc<AtomicBool>,
    warned: Arc<AtomicBool>,
    /// What ends before it stops.
    unit: Arc<OnceLock<&'static str>>,
}

impl Interrupt {
    /// Listens from now on. Where signals cannot be listened to, they do what they always do.
    pub fn listen() -> Self {
        let interrupt = Self {
            interrupter: Interrupter::new(),
            screen: Screen::default(),
            training: Arc::new(AtomicBool::new(false)),
            warned: Arc::new(AtomicBool::new(false)),
            unit: Arc::default(),
        };
        if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGUSR1]) {
            let interrupter = interrupt.interrupter.clone();
            let (training, warned) = (interrupt.training.clone(), interrupt.warned.clone());
            let (screen, unit) = (interrupt.screen.clone(), interrupt.unit.clone());
            std::thread::spawn(move || {
                for signal in signals.forever() {
                    let warning = signal == SIGUSR1;
                    if !training.load(Ordering::SeqCst) {
                        leave(&screen, if warning { TRY_AGAIN } else { STOPPED });
                    } else if !interrupter.should_stop() {
                        if !screen.is_taken() {
                            let unit = unit.get().copied().unwrap_or("this step");
                            let _ = writeln!(
                                std::io::stderr(),
                                "\nstopping after {unit} (again: at once)"
                            );
                        }
                        warned.store(warning, Ordering::SeqCst);
                        interrupter.stop(Some("signal"));
                    } else if !warning {
                        exit_at_once(&screen);
                    }
                }
            });
        }
        interrupt
    }

    /// Signals this process once nothing can come from standard input any more.
    pub fn stop_when_input_ends() {
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = signal_hook::low_level::raise(SIGTERM);
        });
    }

    /// Says that training begins or ends.
    pub fn set_training(&self, training: bool) {
        self.training.store(training, Ordering::SeqCst);
    }

    /// Says that work begins which a first signal ends in order, as training; `unit` is what is still
    /// ended.
    pub fn set_orderly(&self, unit: &'static str) {
        let _ = self.unit.set(unit);
        self.set_training(true);
    }

    /// The exit code of a command that was stopped.
    pub fn exit_code(&self) -> u8 {
        if self.warned.load(Ordering::SeqCst) { TRY_AGAIN } else { STOPPED }
    }
}

/// Ends the process with the exit code of a second Ctrl-C, and gives the terminal back.
pub(super) fn exit_at_once(screen: &Screen) -> ! {
    leave(screen, STOPPED)
}

fn leave(screen: &Screen, code: u8) -> ! {
    screen.tear_away();
    let _ = writeln!(std::io::stderr(), "\nstopped; the same command continues");
    std::process::exit(i32::from(code))
}
