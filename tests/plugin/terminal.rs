//! A terminal of tmux, in which one command after the other runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use testbed::{Binary, locate};

use crate::harness::{Space, assert_no_leaks};

/// What a command left on the screen.
pub struct Screen {
    /// The text.
    pub text: String,
    /// The text with its colours.
    pub coloured: String,
    /// The exit code of the command.
    pub code: i32,
}

/// The mark before the exit code.
const END: &str = "the-command-ended-with:";
/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(90);

/// A terminal for the commands of a story. Its kubectl has the plugin on its PATH.
pub struct Terminal<'a> {
    space: &'a Space,
    folder: PathBuf,
}

impl<'a> Terminal<'a> {
    /// A terminal in the namespace of a story.
    pub fn new(space: &'a Space) -> Self {
        let folder = space.operator.folder().join("terminal");
        let programs = folder.join("bin");
        std::fs::create_dir_all(&programs).unwrap();
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, programs.join(name)).unwrap();
        link(&locate(Binary::Kubectl).unwrap(), "kubectl");
        link(Path::new(env!("CARGO_BIN_EXE_presign-operator")), "kubectl-presign");
        let kubeconfig = folder.join("kubeconfig");
        std::fs::copy(space.world.plane.kubeconfig(), &kubeconfig).unwrap();
        let terminal = Self { space, folder };
        let namespace = ["config", "set-context", "--current", "--namespace", &space.namespace];
        let output = terminal.command("kubectl").args(namespace).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        terminal
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a line of shell, which may print no URL, and waits for its end.
    pub fn run(&self, line: &str) -> Screen {
        let screen = self.run_openly(line);
        assert_no_leaks(self.space.world, &self.space.namespace, line, &screen.text);
        screen
    }

    /// Runs a line of shell that may print a URL, and waits for its end.
    pub fn run_openly(&self, line: &str) -> Screen {
        let script = self.folder.join("line.sh");
        std::fs::write(&script, format!("{line}\nprintf '%s%s\\n' {END} $?\nsleep 300\n")).unwrap();
        let shell = format!("sh {}", script.display());
        let begin = ["new-session", "-d", "-s", "one", "-x", "150", "-y", "50", &shell];
        let output = self.tmux(&begin);
        assert!(output.status.success(), "tmux: {output:?}");
        let ends = Instant::now() + LIMIT;
        let (text, code) = loop {
            let text = self.capture(&[]);
            let end = text.lines().rev().find_map(|line| line.strip_prefix(END));
            if let Some(code) = end.and_then(|code| code.trim().parse().ok()) {
                break (text, code);
            }
            assert!(Instant::now() < ends, "{line}: has not ended:\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        };
        let coloured = self.capture(&["-e"]);
        // This server has a socket of its own. One that is ending would refuse the next session.
        self.tmux(&["kill-server"]);
        while self.tmux(&["list-sessions"]).status.success() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = std::fs::remove_file(self.folder.join("tmux"));
        Screen { text, coloured, code }
    }

    /// The output of a line of shell without a terminal: standard output, standard error, and the code.
    pub fn pipe(&self, line: &str) -> (String, String, i32) {
        let output = self.command("sh").args(["-c", line]).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code().unwrap())
    }

    fn capture(&self, more: &[&str]) -> String {
        let output = self.tmux(&[&["capture-pane", "-p", "-J", "-S", "-", "-t", "one"], more].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn tmux(&self, arguments: &[&str]) -> std::process::Output {
        let socket = self.folder.join("tmux");
        let mut command = self.command("tmux");
        command.arg("-S").arg(socket).args(["-f", "/dev/null", "-u"]).args(arguments).output().unwrap()
    }

    fn command(&self, program: &str) -> Command {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.folder.join("bin").display());
        let program =
            if program == "kubectl" { self.folder.join("bin/kubectl") } else { PathBuf::from(program) };
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", &self.folder)
            .env("KUBECONFIG", self.folder.join("kubeconfig"))
            .env("KUBECTL_KUBERC", "false")
            .env("NO_PROXY", "*")
            .env("no_proxy", "*")
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env("AWS_ACCESS_KEY_ID", self.space.world.store.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", self.space.world.store.secret_access_key())
            .current_dir(&self.folder);
        command
    }
}

impl Screen {
    /// Fails if a text is not on the screen, or the exit code is another one.
    pub fn shows(&self, code: i32, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(self.text.contains(text), "{text:?} is not shown:\n{}", self.text);
        }
        assert_eq!(self.code, code, "{}", self.text);
        self
    }
}
