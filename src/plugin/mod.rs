//! The kubectl plugin `kubectl presign`: what users of `PresignedUrl`s ask for at a terminal.
//!
//! Each command has a file of its own. What a command decides (what a URL says, why a signature differs,
//! how a tree is drawn) is in pure files beside it. Not here: the operator itself.
#![allow(clippy::doc_markdown, reason = "the comments on commands are printed by --help")]

mod check;
mod claims;
mod cluster;
mod complete;
mod completion;
mod console;
mod explain;
mod form_reading;
mod form_text;
mod get_url;
mod inspect;
mod kubeconfig;
mod kubeconfig_files;
mod manual;
mod pages;
mod policy_test;
mod proxy;
mod reading;
mod renew;
mod renewal_wait;
mod secret_url;
mod status;
mod tree;
mod url_text;
mod working_time;

use std::ffi::OsString;
use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::{Parser, Subcommand};

use crate::cli::ExitFailure;
use crate::runtime::{Clock, harden};
use cluster::ClusterArgs;
use console::{Console, OutputArgs};
pub use manual::{manual, reference};

/// The name of the binary as a plugin of kubectl.
const NAME: &str = "kubectl-presign";

/// Shows, renews and explains presigned URLs.
///
/// No command but get-url prints a URL, its signature or a token.
///
/// Exit codes: 0 if all is well, 1 if something is not, 2 if the command line is wrong.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    bin_name = "kubectl presign",
    display_name = "kubectl-presign",
    version,
    arg_required_else_help = true,
    subcommand_required = true
)]
pub struct Plugin {
    /// Which cluster and namespace.
    #[command(flatten)]
    cluster: ClusterArgs,
    /// How to print.
    #[command(flatten)]
    output: OutputArgs,
    /// The command.
    #[command(subcommand)]
    command: PluginCommand,
}

/// The commands of the plugin.
#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// Show a PresignedUrl with its signer, its Secret, the pods that use it and the next dates.
    ///
    /// Exits with 1 if the condition Ready is not True.
    Status(status::StatusArgs),
    /// Ask for new URLs now.
    ///
    /// Sets the annotation presign.dev/renew, so the permission to patch presignedurls is enough. With
    /// --wait, the command waits until the operator has issued the URLs. It exits with 1 if this does not
    /// happen before --timeout.
    Renew(renew::RenewArgs),
    /// Show what a presigned URL or a form permits, what the client must send, and when it is valid.
    ///
    /// A form is the JSON with url and fields of the data key form.json. Works offline, except for
    /// secret/NAME. The signature, the policy, the session token and the access key id are not printed. Exits
    /// with 1 if the URL or the form does not work now.
    Inspect(inspect::InspectArgs),
    /// Find out why a store answers SignatureDoesNotMatch, or refuses a URL or a form for another reason.
    ///
    /// Computes the signature of the request that is really sent, and compares it with that of the URL. If
    /// they differ, it tries the usual causes (host, default port, header, method, encoding of the
    /// key, clock, session, access key, region), and names the change that gives the signature of the URL.
    /// Of a form, it also compares the fields and the size of the file with the policy. Works offline, except
    /// for secret/NAME.
    Explain(explain::ExplainArgs),
    /// Check the installation: definitions, leader, permissions, admission policies, clock and signers.
    ///
    /// Exits with 1 if something is wrong. Checks that you have no permission for are shown as
    /// unknown, and do not count as failures.
    Check(check::CheckArgs),
    /// Test policies of signers.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print the URL or the form of a PresignedUrl. Whoever has it can use it.
    ///
    /// A form is printed as JSON with url and fields, as in the data key form.json. This is the only command
    /// that prints a URL or a form. It needs the permission to read the Secret.
    GetUrl(get_url::GetUrlArgs),
    /// Print a completion script for a shell, or the script through which kubectl completes `kubectl presign`.
    Completion(completion::CompletionArgs),
    /// Print candidates for the last word, as kubectl expects them from `kubectl_complete-presign`.
    #[command(name = "__complete", hide = true)]
    Complete(complete::CompleteArgs),
}

/// The commands about policies.
#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Say which rule of a signer allows or denies each PresignedUrl of a file.
    ///
    /// A signer that is not in the files is read from the cluster. With --as, the command also asks whether
    /// that user may use the signer (the RBAC verb `use`); it still reads the signer as you. Exits with 1 if a
    /// PresignedUrl is denied.
    Test(policy_test::PolicyTestArgs),
}

/// Whether all is well, for the exit code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum PluginEnd {
    /// All is well: exit code 0.
    Good,
    /// Something is not: exit code 1. The output says what.
    Bad,
}

impl PluginEnd {
    fn of(is_good: bool) -> Self {
        if is_good { Self::Good } else { Self::Bad }
    }
}

/// What a command works with.
struct PluginSession<'a> {
    cluster: &'a ClusterArgs,
    console: Console,
    clock: Clock,
}

/// The arguments of the plugin, if the process was started as the plugin: under its name, or with its
/// name as the first argument, as in a container of the operator's image.
#[must_use]
pub fn arguments(all: &[OsString]) -> Option<Vec<OsString>> {
    let name = Path::new(all.first()?).file_stem()?;
    if name == NAME {
        return Some(all.to_vec());
    }
    (all.get(1)? == NAME).then(|| all[1..].to_vec())
}

/// Runs the plugin with these arguments, the first of which is its name.
#[must_use]
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let plugin = match Plugin::try_parse_from(arguments) {
        Ok(plugin) => plugin,
        // For a person: with the usage, and with the exit code 2 unless help was asked for.
        Err(error) => error.exit(),
    };
    match run(&plugin) {
        Ok(PluginEnd::Good) => ExitCode::SUCCESS,
        Ok(PluginEnd::Bad) => ExitCode::from(1),
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(plugin: &Plugin) -> Result<PluginEnd, ExitFailure> {
    if let Err(error) = harden() {
        eprintln!("warning: cannot disable memory dumps of this process: {error}");
    }
    let session = PluginSession {
        cluster: &plugin.cluster,
        console: Console::of(plugin.output),
        clock: Clock::system(),
    };
    match &plugin.command {
        PluginCommand::Status(args) => wait(status::status(&session, args)),
        PluginCommand::Renew(args) => wait(renew::renew(&session, args)),
        PluginCommand::Inspect(args) => wait(inspect::inspect(&session, args)),
        PluginCommand::Explain(args) => wait(explain::command(&session, args)),
        PluginCommand::Check(args) => wait(check::check(&session, args)),
        PluginCommand::Policy(PolicyCommand::Test(args)) => wait(policy_test::test(&session, args)),
        PluginCommand::GetUrl(args) => wait(get_url::get_url(&session, args)),
        PluginCommand::Completion(args) => completion::print(args),
        PluginCommand::Complete(args) => wait(complete::print(&session, args)),
    }
}

/// Runs a command that may call the API server. Ctrl-C ends the process.
fn wait(command: impl Future<Output = Result<PluginEnd, ExitFailure>>) -> Result<PluginEnd, ExitFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the runtime").map_err(ExitFailure::from)?.block_on(command)
}

/// A failure of the API server, in words.
fn failed(what: &str, error: &kube::Error) -> ExitFailure {
    let said = match error {
        kube::Error::Api(status) => status.message.clone(),
        other => {
            let first: &dyn std::error::Error = other;
            let causes = std::iter::successors(Some(first), |error| error.source());
            causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
        }
    };
    ExitFailure::from(anyhow!("{what}: {said}"))
}

/// A wrong use of a command.
fn misused(message: impl std::fmt::Display) -> ExitFailure {
    ExitFailure::configuration(anyhow!("{message}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_definition_of_the_plugin_is_sound() {
        Plugin::command().debug_assert();
    }

    #[test]
    fn the_name_of_the_binary_or_the_first_argument_makes_it_a_plugin() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        for (given, expected) in [
            (
                &["/usr/bin/kubectl-presign", "status", "a"][..],
                Some(&["/usr/bin/kubectl-presign", "status", "a"][..]),
            ),
            (&["kubectl-presign.exe"], Some(&["kubectl-presign.exe"])),
            (&["presign-operator", "kubectl-presign", "check"], Some(&["kubectl-presign", "check"])),
            (&["presign-operator", "run"], None),
            (&["presign-operator"], None),
            (&[], None),
        ] {
            assert_eq!(arguments(&words(given)), expected.map(words), "{given:?}");
        }
    }

    #[test]
    fn a_wrong_use_exits_with_2() {
        for (args, kind) in [
            (&["renew", "a", "--all"][..], ErrorKind::ArgumentConflict),
            (&["renew", "-l", "a=b", "--all"], ErrorKind::ArgumentConflict),
            (&["renew", "--wait"], ErrorKind::MissingRequiredArgument),
            (&["renew", "-A"], ErrorKind::MissingRequiredArgument),
            (&["status"], ErrorKind::MissingRequiredArgument),
            (&["inspect"], ErrorKind::MissingRequiredArgument),
            (&["explain", "-", "-H", "no-colon"], ErrorKind::ValueValidation),
            (&["policy"], ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
            (&["check", "-o", "wide"], ErrorKind::InvalidValue),
            (&["status", "a", "--request-timeout", "x"], ErrorKind::ValueValidation),
            (&["nothing"], ErrorKind::InvalidSubcommand),
        ] {
            let error = Plugin::try_parse_from([NAME].iter().chain(args)).unwrap_err();
            assert_eq!(error.kind(), kind, "{args:?}");
            assert_eq!(error.exit_code(), 2, "{args:?}");
        }
    }
}
