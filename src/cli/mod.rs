//! The command line: arguments, subcommands and exit codes. It is the only module that reads the
//! environment.
//!
//! Not here: what a command does between reading its input and printing its output.

mod crd;
mod failure;
mod flags;
mod limit_args;
pub mod manifest;
mod metrics_args;
#[cfg(target_os = "linux")]
mod node;
#[cfg(target_os = "linux")]
mod node_args;
#[cfg(target_os = "linux")]
mod node_sts_args;
mod offline_signers;
mod run;
mod run_args;
mod sign;
mod signer_args;
mod signing_args;
mod signing_certificate_args;
mod sites;
mod sts_args;
mod verify_args;

use clap::{Parser, Subcommand};

use crate::runtime::harden;
pub use failure::ExitFailure;
pub use limit_args::LimitArgs;
#[cfg(target_os = "linux")]
pub use node_args::NodeArgs;
pub(crate) use offline_signers::OfflineSigners;
pub use run::run_observed;
pub use run_args::RunArgs;
pub(crate) use sign::credentials as environment_credentials;
pub use sign::{Output, SignArgs, sign_manifest};

/// Issues S3 presigned URLs into Kubernetes Secrets and renews them before they expire.
#[derive(Debug, Parser)]
#[command(name = "presign-operator", version, arg_required_else_help = true)]
pub struct Cli {
    /// The command. There is no default command, because the kubeconfig of a user who tries the
    /// program may be that of a production cluster.
    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(Box<RunArgs>),
    /// Run the CSI driver of one node, which signs URLs for the pods of the node.
    #[cfg(target_os = "linux")]
    Node(Box<NodeArgs>),
    /// Print the custom resource definitions (CRDs) as YAML.
    Crd,
    /// Sign every PresignedUrl of a file offline and print the URLs, for debugging.
    ///
    /// Needs no cluster. If a PresignedUrl names a signer, the files must contain it; the command then
    /// says which rule of its policy allows or denies the request. The access key is taken from the
    /// environment variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary
    /// credentials, `AWS_SESSION_TOKEN` and `AWS_CREDENTIAL_EXPIRATION`, not from the Secret that the
    /// manifest names.
    Sign(SignArgs),
}

/// Runs the command on the command line.
///
/// # Errors
/// When the command failed. The failure contains the exit code.
pub fn execute(cli: Cli) -> Result<(), ExitFailure> {
    if let Err(error) = harden() {
        eprintln!("warning: cannot disable memory dumps of this process: {error}");
    }
    match cli.command {
        Command::Run(args) => run::run(*args),
        #[cfg(target_os = "linux")]
        Command::Node(args) => node::run(*args),
        Command::Crd => crd::print().map_err(ExitFailure::from),
        Command::Sign(args) => sign::sign(&args).map_err(ExitFailure::from),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn runs_only_on_request() {
        let cli = Cli::try_parse_from(["presign-operator", "run"]).unwrap();
        assert!(matches!(cli.command, Command::Run(_)));
        let error = Cli::try_parse_from(["presign-operator"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
        assert!(error.to_string().contains("Run the operator"), "{error}");
        assert!(Cli::try_parse_from(["presign-operator", "--pods"]).is_err());
    }

    #[test]
    fn a_wrong_use_exits_with_2() {
        for args in
            [&["sign"][..], &["sign", "-f", "x", "-o", "y"], &["sign", "-f", "x", "--signed-at", "y"], &["z"]]
        {
            let error = Cli::try_parse_from(["presign-operator"].iter().chain(args)).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{args:?}");
        }
    }
}
