//! The command `completion`: scripts that complete the command line.
#![allow(clippy::doc_markdown, reason = "the comments on arguments are printed by --help")]

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::Shell;

use super::{NAME, Plugin, PluginEnd};
use crate::cli::ExitFailure;

/// Arguments of `completion`.
#[derive(Args, Debug)]
pub(super) struct CompletionArgs {
    /// What the script is for. bash, zsh and fish complete `kubectl-presign`. kubectl is the script
    /// `kubectl_complete-presign`: make it executable and put it on the PATH, and the completion of kubectl
    /// (1.26 or later) completes `kubectl presign`, with the names of PresignedUrls, in every shell.
    shell: ScriptFor,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum ScriptFor {
    Bash,
    Zsh,
    Fish,
    Kubectl,
}

/// The script that kubectl calls.
const KUBECTL: &str = "#!/bin/sh
# kubectl calls this with the words after `kubectl presign`. Save it as kubectl_complete-presign.
exec kubectl-presign __complete \"$@\"
";

pub(super) fn print(args: &CompletionArgs) -> Result<PluginEnd, ExitFailure> {
    let script = script(args.shell);
    std::io::stdout().write_all(script.as_bytes()).context("standard output").map_err(ExitFailure::from)?;
    Ok(PluginEnd::Good)
}

fn script(which: ScriptFor) -> String {
    let shell = match which {
        ScriptFor::Bash => Shell::Bash,
        ScriptFor::Zsh => Shell::Zsh,
        ScriptFor::Fish => Shell::Fish,
        ScriptFor::Kubectl => return KUBECTL.to_owned(),
    };
    let mut script = Vec::new();
    // Under the name that a shell completes, which has no space in it.
    clap_complete::generate(shell, &mut Plugin::command().bin_name(NAME), NAME, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_knows_the_commands() {
        for which in [ScriptFor::Bash, ScriptFor::Zsh, ScriptFor::Fish] {
            let script = script(which);
            for word in ["kubectl-presign", "get-url", "inspect", "signed-host"] {
                assert!(script.contains(word), "{which:?}: {word}");
            }
        }
        assert!(script(ScriptFor::Kubectl).starts_with("#!/bin/sh\n"));
    }
}
