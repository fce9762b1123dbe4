//! Slurm's daemons in a temporary folder.

use super::super::support::{CommandOutput, Workspace};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Waits for what must happen within minutes.
#[track_caller]
pub fn wait_until(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !there() {
        assert!(Instant::now() < deadline, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A controller and three nodes with one processor each, ended when dropped.
pub struct Cluster {
    folder: TempDir,
    daemons: Vec<Child>,
    /// Jobs that were put back and told to begin soon.
    hurried: RefCell<BTreeSet<String>>,
}

impl Cluster {
    /// Starts a cluster; `None`, and a line that says so, where Slurm is not installed.
    pub fn start() -> Option<Self> {
        let programs = ["munged", "slurmctld", "slurmd", "sbatch", "scontrol"];
        let there = |name: &&str| program(name).is_some();
        if let Some(missing) = programs.iter().find(|name| !there(name)) {
            println!(
                "skipped: {missing} is not installed (apt-get install slurmctld slurmd munge)"
            );
            return None;
        }
        if output(Command::new("id").arg("-u")).trim() != "0" {
            println!("skipped: Slurm's nodes run jobs as their users only for root");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
        let mut cluster = Self { folder, daemons: Vec::new(), hurried: RefCell::default() };
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
        Some(cluster)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_configuration(&self) {
        // Any key will do: whoever can read it can be anybody here.
        let key = blake3::hash(self.folder.path().as_os_str().as_encoded_bytes());
        fs::write(self.at("key"), key.as_bytes()).expect("a file");
        fs::set_permissions(self.at("key"), fs::Permissions::from_mode(0o600)).expect("a mode");
        let host = output(Command::new("hostname").arg("-s")).trim().to_owned();
        let at = |name: &str| self.at(name).display().to_string();
        // Held together, so that they differ; free again before they are used.
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

    fn spawn(&mut self, name: &str, own: &[String], arguments: &[&str]) {
        let mut command = self.command(name);
        command.args(own).args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(place) = arguments.iter().position(|argument| *argument == "-N") {
            command.env("SLURMD_NODENAME", arguments[place + 1]);
        }
        self.daemons.push(command.spawn().expect("the daemon starts"));
    }

    /// One of Slurm's commands, which speaks to this cluster.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name).expect("it was found before"));
        command.env("SLURM_CONF", self.at("slurm.conf"));
        command
    }

    /// Runs `lungs` where it finds this cluster.
    pub fn lungs(&self, place: &Workspace, arguments: &[&str]) -> CommandOutput {
        let mut command = place.command(arguments);
        let output = command.env("SLURM_CONF", self.at("slurm.conf")).output().expect("it runs");
        CommandOutput {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn scontrol(&self, arguments: &[&str]) -> String {
        output(self.command("scontrol").args(arguments))
    }

    /// Values of a field of a job's tasks.
    fn field(&self, job: u64, field: &str) -> Vec<String> {
        let told = self.scontrol(&["show", "job", "-o", &job.to_string()]);
        let values = told.lines().filter_map(|line| {
            line.split_whitespace().find_map(|word| word.strip_prefix(&format!("{field}=")))
        });
        values.map(str::to_owned).collect()
    }

    /// How a job's tasks stand.
    pub fn states(&self, job: u64) -> Vec<String> {
        self.field(job, "JobState")
    }

    /// How often a job's tasks were put back into the queue.
    pub fn restarts(&self, job: u64) -> usize {
        self.field(job, "Restarts").iter().filter_map(|text| text.parse::<usize>().ok()).sum()
    }

    /// Lets jobs that were put back begin in three seconds: Slurm would wait two minutes. (Within the
    /// second in which it was put back, a job is refused as revoked.)
    pub fn hurry(&self) {
        let waiting = output(self.command("squeue").args(["-h", "-r", "-t", "PD", "-o", "%i %r"]));
        let held = waiting.lines().filter_map(|line| line.strip_suffix(" BeginTime"));
        let held: BTreeSet<String> = held.map(str::to_owned).collect();
        for job in held.difference(&self.hurried.borrow()) {
            self.scontrol(&["update", &format!("JobId={job}"), "StartTime=now+3"]);
        }
        self.hurried.replace(held);
    }

    /// Waits until jobs are over, however.
    pub fn wait_for(&self, jobs: &[u64]) {
        wait_until("the end of all jobs", || {
            self.hurry();
            std::thread::sleep(Duration::from_millis(200));
            jobs.iter().all(|job| {
                let states = self.states(*job);
                let under_way =
                    |state: &String| ["PENDING", "RUNNING", "COMPLETING"].contains(&state.as_str());
                !states.is_empty() && !states.iter().any(under_way)
            })
        });
    }

    /// Ends a node with everything on it, if `lungs` works there now.
    pub fn kill_node_at_work(&self, node: &str) -> bool {
        let there = self.processes(Some(node));
        let at_work = there.iter().any(is_lungs);
        if at_work {
            signal("-9", &with_guards_first(&there));
        }
        at_work
    }

    /// Lets `lungs` work for a tenth of half a second: so that a job outlasts its time however fast it is.
    pub fn hold_back(&self) {
        let mut at_work = self.processes(None);
        at_work.retain(is_lungs);
        signal("-STOP", &at_work);
        std::thread::sleep(Duration::from_millis(450));
        signal("-CONT", &at_work);
        std::thread::sleep(Duration::from_millis(50));
    }

    /// Processes that belong to this cluster, or to one node of it: its daemons, and what they started.
    fn processes(&self, node: Option<&str>) -> Vec<u32> {
        let ours = format!("SLURM_CONF={}", self.at("slurm.conf").display());
        let node = node.map(|node| format!("SLURMD_NODENAME={node}"));
        let numbers = fs::read_dir("/proc").expect("processes").flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        numbers
            .filter(|pid| {
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                let has = |wanted: &str| {
                    environment.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes())
                };
                has(&ours) && node.as_deref().is_none_or(has)
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

/// The processes with those that watch over jobs among them, the watchers first: a node that dies tells
/// nobody. A job's guard (`slurmstepd`) writes over its environment, and is known as its parent.
fn with_guards_first(processes: &[u32]) -> Vec<u32> {
    let status = |pid: u32, field: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let found = text.lines().find_map(|line| line.strip_prefix(field));
        found.unwrap_or_default().trim().to_owned()
    };
    let is = |pid: &u32, name: &str| status(*pid, "Name:") == name;
    let mut ordered: Vec<u32> = processes.iter().copied().filter(|pid| is(pid, "slurmd")).collect();
    let parents = processes.iter().filter_map(|pid| status(*pid, "PPid:").parse::<u32>().ok());
    ordered.extend(parents.filter(|pid| is(pid, "slurmstepd")));
    ordered.extend(processes);
    ordered
}

fn is_lungs(pid: &u32) -> bool {
    let own = fs::canonicalize(env!("CARGO_BIN_EXE_lungs")).expect("the program");
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program == own)
}

/// Signals processes by their numbers, in this order.
fn signal(name: &str, processes: &[u32]) {
    let numbers = processes.iter().map(u32::to_string);
    let _ = Command::new("kill").arg(name).args(numbers).stderr(Stdio::null()).status();
}

/// Where a program is; daemons are not in everybody's path.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|path: &PathBuf| Path::is_file(path))
}

fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the command runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
