//! SIGINT (Ctrl-C), SIGTERM, and SIGUSR1 (a scheduler's warning).

use super::screen::Screen;
use burn::train::Interrupter;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Exit code after Ctrl-C or SIGTERM.
const EXIT_STOPPED: u8 = 130;

/// Exit code after SIGUSR1: `EX_TEMPFAIL` of sysexits.h. A job script can requeue its job on this code.
const EXIT_REQUEUE: u8 = 75;

/// Turns signals into a clean stop.
///
/// During training the first signal stops the loop after the current step, and the second one ends the
/// process. Otherwise the first signal ends the process. All files are written atomically, so that only the
/// work since the last file is lost. Schedulers send SIGUSR1 before the time limit, often to every process
/// of a job and several times; a repeated SIGUSR1 does not end the process.
pub(super) struct Interrupt {
    pub interrupter: Interrupter,
    /// The terminal of the dashboard.
    pub screen: Screen,
    /// Whether the first signal only requests a stop.
    graceful: Arc<AtomicBool>,
    /// Whether SIGUSR1 requested the stop.
    warned: Arc<AtomicBool>,
    /// The unit of work that is finished before the stop, for the message.
    unit: Arc<OnceLock<&'static str>>,
}

impl Interrupt {
    /// Installs the signal handlers. If that fails, signals keep their default action.
    pub(super) fn listen() -> Self {
        let interrupt = Self {
            interrupter: Interrupter::new(),
            screen: Screen::default(),
            graceful: Arc::new(AtomicBool::new(false)),
            warned: Arc::new(AtomicBool::new(false)),
            unit: Arc::default(),
        };
        if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGUSR1]) {
            let interrupter = interrupt.interrupter.clone();
            let (graceful, warned) = (interrupt.graceful.clone(), interrupt.warned.clone());
            let (screen, unit) = (interrupt.screen.clone(), interrupt.unit.clone());
            std::thread::spawn(move || {
                for signal in signals.forever() {
                    let warning = signal == SIGUSR1;
                    if !graceful.load(Ordering::SeqCst) {
                        exit_with_code(&screen, if warning { EXIT_REQUEUE } else { EXIT_STOPPED });
                    } else if !interrupter.should_stop() {
                        if !screen.is_taken() {
                            let unit = unit.get().copied().unwrap_or("this step");
                            let _ = writeln!(
                                std::io::stderr(),
                                "\nstopping after {unit}; repeat the signal to stop at once"
                            );
                        }
                        warned.store(warning, Ordering::SeqCst);
                        interrupter.stop(Some("signal"));
                    } else if !warning {
                        exit_immediately(&screen);
                    }
                }
            });
        }
        interrupt
    }

    /// Sends SIGTERM to this process when standard input closes.
    pub(super) fn stop_at_end_of_input() {
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = signal_hook::low_level::raise(SIGTERM);
        });
    }

    /// Sets whether training is running: then the first signal stops after the current step.
    pub(super) fn set_training(&self, training: bool) {
        self.graceful.store(training, Ordering::SeqCst);
    }

    /// Makes the first signal stop after the current unit of work, as in training. The message names `unit`.
    pub(super) fn stop_gracefully_after(&self, unit: &'static str) {
        let _ = self.unit.set(unit);
        self.set_training(true);
    }

    /// The exit code of a stopped command.
    pub(super) fn exit_code(&self) -> u8 {
        if self.warned.load(Ordering::SeqCst) { EXIT_REQUEUE } else { EXIT_STOPPED }
    }
}

/// Restores the terminal and ends the process with the exit code of a second Ctrl-C.
pub(super) fn exit_immediately(screen: &Screen) -> ! {
    exit_with_code(screen, EXIT_STOPPED)
}

fn exit_with_code(screen: &Screen, code: u8) -> ! {
    screen.restore();
    let _ = writeln!(std::io::stderr(), "\nstopped; run the same command to resume");
    std::process::exit(i32::from(code))
}
