//! The testbed on the command line.

mod demo;

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use testbed::{Binary, ControlPlane, Network, Node, ObjectStore, build_all, locate};

/// A real Kubernetes control plane and a real S3 server on loopback.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start both, print how to reach them, and keep them until Ctrl-C.
    Up {
        /// Add a node that runs pods. Needs root, containerd, runc, CNI plugins and buildah.
        #[arg(long)]
        node: bool,
    },
    /// Only find or build the programs.
    Build {
        /// Only those that the demo needs.
        #[arg(long, conflicts_with_all = ["node", "sessions"])]
        demo: bool,
        /// Also those that only a node needs.
        #[arg(long)]
        node: bool,
        /// Also the one that only tests of sessions need.
        #[arg(long)]
        sessions: bool,
    },
    /// Find or build one program, and print its path.
    Locate {
        /// Its name.
        binary: Binary,
    },
    /// Show the operator at work on both, from a manifest to a URL that downloads.
    Demo(demo::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Up { node } => up(node),
        Command::Build { demo: true, .. } => build_all(&Binary::DEMO),
        Command::Build { node, sessions, demo: false } => build(node, sessions),
        Command::Locate { binary } => print_path(binary),
        Command::Demo(options) => return demo::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What `up` keeps. The order of the fields is the order in which they end.
struct Up {
    node: Option<Node>,
    plane: ControlPlane,
    store: ObjectStore,
}

impl Up {
    fn start(node: bool) -> Result<Self> {
        let mut store = ObjectStore::builder().virtual_domain("localhost");
        let mut plane = ControlPlane::builder();
        if !node {
            let store = store.start()?;
            return Ok(Self { node: None, plane: plane.start()?, store });
        }
        let network = Network::create()?;
        store = store.network(&network);
        plane = plane.network(&network);
        let (store, plane) = (store.start()?, plane.start()?);
        Ok(Self { node: Some(Node::start(network, &plane)?), plane, store })
    }

    fn check(&self) -> Result<()> {
        self.node.as_ref().map_or(Ok(()), Node::check)?;
        self.plane.check()?;
        self.store.check()
    }
}

fn up(node: bool) -> Result<()> {
    let started = Instant::now();
    let helm = locate(Binary::Helm)?;
    let up = Up::start(node)?;
    // Until here a signal just ends the process, and the guards clean up after it.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot wait for signals")?;
    print_environment(&up, &helm).context("cannot use the terminal")?;
    eprintln!("testbed: ready after {:.1} s; Ctrl-C ends it", started.elapsed().as_secs_f32());
    while signals.pending().next().is_none() {
        up.check()?;
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn print_environment(Up { node, plane, store }: &Up, helm: &Path) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for (name, value) in [
        ("KUBECONFIG", plane.kubeconfig().display().to_string()),
        ("S3_ENDPOINT", store.endpoint()),
        ("S3_REGION", store.region().to_owned()),
        ("AWS_ACCESS_KEY_ID", store.access_key_id().to_owned()),
        ("AWS_SECRET_ACCESS_KEY", store.secret_access_key().to_owned()),
    ] {
        writeln!(output, "export {name}={}", quoted(&value))?;
    }
    for program in [Path::new(plane.kubectl().get_program()), helm] {
        if let Some(folder) = program.parent() {
            writeln!(output, "export PATH={}:\"$PATH\"", quoted(&folder.display().to_string()))?;
        }
    }
    let on_node = node.as_ref().map(Node::pids).unwrap_or_default();
    for (name, pid) in plane.pids().into_iter().chain(store.pids()).chain(on_node) {
        writeln!(output, "# {name}: pid {pid}")?;
    }
    if let Some(node) = node {
        writeln!(output, "# an image with curl and a shell for your pods: {}", Node::CLIENT_IMAGE)?;
        writeln!(output, "export NO_PROXY='*'")?;
        // What ctr reads.
        writeln!(output, "export CONTAINERD_ADDRESS={}", quoted(&node.socket().display().to_string()))?;
        writeln!(output, "export CONTAINERD_NAMESPACE={}", Node::IMAGES)?;
    }
    let network = node.as_ref().map(|node| node.network().folder());
    for folder in [plane.folder(), store.folder()].into_iter().chain(network) {
        writeln!(output, "# files and logs: {}", folder.display())?;
    }
    output.flush()
}

fn build(node: bool, sessions: bool) -> Result<()> {
    let mut binaries = [&Binary::DEMO[..], &Binary::TESTS].concat();
    binaries.extend(if node { &Binary::NODE[..] } else { &[] });
    binaries.extend(if sessions { &Binary::SESSIONS[..] } else { &[] });
    build_all(&binaries)
}

fn print_path(binary: Binary) -> Result<()> {
    println!("{}", locate(binary)?.display());
    Ok(())
}

/// For a shell, whatever is in it.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
