//! A Slurm cluster in a temporary folder.

use super::super::support::{CommandOutput, Workspace, wait_until};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A controller and three nodes with one processor each, stopped on drop.
pub(super) struct Cluster {
    folder: TempDir,
    daemons: Vec<Child>,
    /// Requeued jobs whose start time has been moved forward.
    rescheduled: RefCell<BTreeSet<String>>,
}

impl Cluster {
    /// Starts a cluster. Needs Slurm and munge, and root, because Slurm's daemons run jobs as other users.
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
        let mut cluster = Self { folder, daemons: Vec::new(), rescheduled: RefCell::default() };
        cluster.write_configuration();
        let at = |name: &str| cluster.at(name).display().to_string();
        let munge = [
            format!("--key-file={}", at("key")),
            format!("--socket={}", at("socket")),
            format!("--pid-file={}", at("munged.pid")),
            format!("--log-file={}", at("munged.log")),
            format!("--seed-file={}", at("seed")),
        ];
        let configuration = at("slurm.conf");
        cluster.spawn("munged", &munge, &["--foreground", "--force"]);
        wait_until("munge", || cluster.at("socket").exists());
        cluster.spawn("slurmctld", &[], &["-D", "-c", "-f", &configuration]);
        for node in ["n1", "n2", "n3"] {
            cluster.spawn("slurmd", &[], &["-D", "-N", node, "-f", &configuration]);
        }
        wait_until("the nodes", || {
            let states = output(cluster.command("sinfo").args(["-h", "-N", "-o", "%t"]));
            states.lines().filter(|state| *state == "idle").count() == 3
        });
        cluster
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_configuration(&self) {
        // The key of this test cluster needs no randomness.
        let key = blake3::hash(self.folder.path().as_os_str().as_encoded_bytes());
        fs::write(self.at("key"), key.as_bytes()).expect("a file");
        fs::set_permissions(self.at("key"), fs::Permissions::from_mode(0o600)).expect("a mode");
        let host = output(Command::new("hostname").arg("-s")).trim().to_owned();
        let at = |name: &str| self.at(name).display().to_string();
        // All ports are bound at once, so that they differ, and released before the daemons start.
        let sockets: Vec<TcpListener> =
            (0..4).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let ports: Vec<u16> =
            sockets.iter().map(|socket| socket.local_addr().expect("a port").port()).collect();
        let mut text = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={}\n\
             SlurmUser=root\nSlurmdUser=root\nAuthType=auth/munge\nAuthInfo=socket={}\n\
             CredType=cred/munge\nStateSaveLocation={}\nSlurmdSpoolDir={}\n\
             SlurmctldPidFile={}\nSlurmdPidFile={}\nSlurmctldLogFile={}\nSlurmdLogFile={}\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n\
             JobAcctGatherType=jobacct_gather/none\nSelectType=select/cons_tres\n\
             SelectTypeParameters=CR_CPU\nSchedulerType=sched/backfill\n\
             SchedulerParameters=sched_interval=1,bf_interval=1\nSlurmdTimeout=5\nKillWait=2\n\
             MinJobAge=3600\nReturnToService=2\nSwitchType=switch/none\nMpiDefault=none\n",
            ports[0],
            at("socket"),
            at("state"),
            at("spool-%n"),
            at("slurmctld.pid"),
            at("slurmd-%n.pid"),
            at("slurmctld.log"),
            at("slurmd-%n.log"),
        );
        for (number, port) in ports[1..].iter().enumerate() {
            let node = number + 1;
            text += &format!(
                "NodeName=n{node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1\n"
            );
        }
        text += "PartitionName=all Nodes=n[1-3] Default=YES MaxTime=INFINITE State=UP\n";
        fs::write(self.at("slurm.conf"), text).expect("a file");
    }

    fn spawn(&mut self, name: &str, options: &[String], arguments: &[&str]) {
        let mut command = self.command(name);
        command.args(options).args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(index) = arguments.iter().position(|argument| *argument == "-N") {
            command.env("SLURMD_NODENAME", arguments[index + 1]);
        }
        self.daemons.push(command.spawn().expect("the daemon starts"));
    }

    /// A command of Slurm, configured for this cluster.
    pub(super) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(find_program(name).expect("an installed program"));
        command.env("SLURM_CONF", self.at("slurm.conf"));
        command
    }

    /// Runs `lungs` with the configuration of this cluster.
    pub(super) fn lungs(&self, workspace: &Workspace, arguments: &[&str]) -> CommandOutput {
        let mut command = workspace.command(arguments);
        let output = command.env("SLURM_CONF", self.at("slurm.conf")).output().expect("it runs");
        CommandOutput {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(super) fn scontrol(&self, arguments: &[&str]) -> String {
        output(self.command("scontrol").args(arguments))
    }

    /// Values of a field of the tasks of a job.
    fn field(&self, job: u64, field: &str) -> Vec<String> {
        let output = self.scontrol(&["show", "job", "-o", &job.to_string()]);
        let values = output.lines().filter_map(|line| {
            line.split_whitespace().find_map(|word| word.strip_prefix(&format!("{field}=")))
        });
        values.map(str::to_owned).collect()
    }

    /// States of the tasks of a job.
    pub(super) fn states(&self, job: u64) -> Vec<String> {
        self.field(job, "JobState")
    }

    /// Number of restarts of all tasks of a job.
    pub(super) fn restarts(&self, job: u64) -> usize {
        self.field(job, "Restarts").iter().filter_map(|text| text.parse::<usize>().ok()).sum()
    }

    /// Starts requeued jobs in three seconds instead of Slurm's two minutes. (Slurm rejects a job as revoked in
    /// the second in which it was requeued.)
    pub(super) fn start_requeued_jobs(&self) {
        let pending = output(self.command("squeue").args(["-h", "-r", "-t", "PD", "-o", "%i %r"]));
        let held = pending.lines().filter_map(|line| line.strip_suffix(" BeginTime"));
        let held: BTreeSet<String> = held.map(str::to_owned).collect();
        for job in held.difference(&self.rescheduled.borrow()) {
            self.scontrol(&["update", &format!("JobId={job}"), "StartTime=now+3"]);
        }
        self.rescheduled.replace(held);
    }

    /// Waits until jobs have ended with any state.
    pub(super) fn wait_for(&self, jobs: &[u64]) {
        wait_until("the end of all jobs", || {
            self.start_requeued_jobs();
            std::thread::sleep(Duration::from_millis(200));
            jobs.iter().all(|job| {
                let states = self.states(*job);
                let is_active =
                    |state: &String| ["PENDING", "RUNNING", "COMPLETING"].contains(&state.as_str());
                !states.is_empty() && !states.iter().any(is_active)
            })
        });
    }

    /// Kills a node with all its processes if `lungs` is running on it; returns whether it was.
    pub(super) fn kill_busy_node(&self, node: &str) -> bool {
        let processes = self.processes(Some(node));
        let is_busy = processes.iter().any(is_lungs);
        if is_busy {
            signal("-9", &with_guards_first(&processes));
        }
        is_busy
    }

    /// Lets `lungs` run for only 50 of 500 ms, so that a job reaches its time limit on any machine.
    pub(super) fn slow_down(&self) {
        let mut processes = self.processes(None);
        processes.retain(is_lungs);
        signal("-STOP", &processes);
        std::thread::sleep(Duration::from_millis(450));
        signal("-CONT", &processes);
        std::thread::sleep(Duration::from_millis(50));
    }

    /// Processes of this cluster, or of one of its nodes: the daemons and their children.
    fn processes(&self, node: Option<&str>) -> Vec<u32> {
        let configuration = format!("SLURM_CONF={}", self.at("slurm.conf").display());
        let node = node.map(|node| format!("SLURMD_NODENAME={node}"));
        let numbers = fs::read_dir("/proc").expect("processes").flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        numbers
            .filter(|pid| {
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                let has = |entry: &str| {
                    environment.split(|byte| *byte == 0).any(|bytes| bytes == entry.as_bytes())
                };
                has(&configuration) && node.as_deref().is_none_or(has)
            })
            .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["slurmctld.log", "slurmd-n1.log"] {
                let text = fs::read_to_string(self.at(name)).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                println!("{name}:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
            }
            println!("{}", self.scontrol(&["show", "job"]));
        }
        signal("-9", &with_guards_first(&self.processes(None)));
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// The processes in the order in which they are killed: the processes that watch jobs come first, so that they
/// do not report the failure of the node. `slurmstepd` overwrites its environment and is found as the parent
/// of its job.
fn with_guards_first(processes: &[u32]) -> Vec<u32> {
    let status = |pid: u32, field: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(field));
        value.unwrap_or_default().trim().to_owned()
    };
    let is = |pid: &u32, name: &str| status(*pid, "Name:") == name;
    let mut ordered: Vec<u32> = processes.iter().copied().filter(|pid| is(pid, "slurmd")).collect();
    let parents = processes.iter().filter_map(|pid| status(*pid, "PPid:").parse::<u32>().ok());
    ordered.extend(parents.filter(|pid| is(pid, "slurmstepd")));
    ordered.extend(processes);
    ordered
}

fn is_lungs(pid: &u32) -> bool {
    let executable = fs::canonicalize(env!("CARGO_BIN_EXE_lungs")).expect("the program");
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program == executable)
}

/// Sends a signal to processes in the given order.
fn signal(name: &str, processes: &[u32]) {
    let numbers = processes.iter().map(u32::to_string);
    let _ = Command::new("kill").arg(name).args(numbers).stderr(Stdio::null()).status();
}

/// The path of a program, in PATH or in `/usr/sbin`.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|path: &PathBuf| Path::is_file(path))
}

fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the command runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
