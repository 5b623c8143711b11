//! The hidden command `__complete`: candidates for the last word, in the form that kubectl reads from
//! `kubectl_complete-presign`: one in each line, with a tab and a description, and at the end a directive.
#![allow(clippy::doc_markdown, reason = "the comments on arguments are printed by --help")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, Args, Command, CommandFactory as _};
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::{Plugin, PluginEnd, PluginSession};
use crate::cli::ExitFailure;
use crate::crd::PresignedUrl;

/// Arguments of `__complete`.
#[derive(Args, Debug)]
pub(super) struct CompleteArgs {
    /// The words so far, the last of which is to be completed.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// To the shell: no file names.
const NO_FILES: u8 = 4;
/// To the shell: file names.
const FILES: u8 = 0;
/// How long names may take: a person waits.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(3);

/// What can follow.
#[derive(Debug, Eq, PartialEq)]
struct Candidates {
    /// Words with their descriptions.
    words: Vec<(String, String)>,
    /// What besides.
    besides: Besides,
}

/// What can follow besides words that are known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Besides {
    Nothing,
    /// The name of a file.
    File,
    /// The name of a `PresignedUrl`.
    Name,
}

pub(super) async fn print(
    session: &PluginSession<'_>,
    args: &CompleteArgs,
) -> Result<PluginEnd, ExitFailure> {
    let (last, before) =
        args.words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let mut found = candidates(&Plugin::command(), before, last);
    if found.besides == Besides::Name {
        let names = tokio::time::timeout(COMPLETION_TIMEOUT, names(session)).await;
        found.words.extend(names.unwrap_or_default().into_iter().map(|name| (name, String::new())));
    }
    let mut text = String::new();
    for (word, about) in found.words.iter().filter(|(word, _)| word.starts_with(last)) {
        let separator = if about.is_empty() { "" } else { "\t" };
        let _ = writeln!(text, "{word}{separator}{about}");
    }
    let _ = writeln!(text, ":{}", if found.besides == Besides::File { FILES } else { NO_FILES });
    std::io::stdout().write_all(text.as_bytes()).context("standard output").map_err(ExitFailure::from)?;
    Ok(PluginEnd::Good)
}

/// The names of the PresignedUrls of the namespace; none if they cannot be read.
async fn names(session: &PluginSession<'_>) -> Vec<String> {
    let Ok(client) = session.cluster.client().await else { return Vec::new() };
    let namespace = session.cluster.namespace(&client);
    let api = Api::<PresignedUrl>::namespaced(client, &namespace);
    let list = api.list_metadata(&ListParams::default().limit(200)).await;
    list.map(|list| list.iter().map(ResourceExt::name_any).collect()).unwrap_or_default()
}

/// What can follow `before`, if the word begins with `last`.
fn candidates(root: &Command, before: &[String], last: &str) -> Candidates {
    let mut command = root;
    let mut awaited: Option<&Arg> = None;
    let globals: Vec<&Arg> = root.get_arguments().filter(|arg| arg.is_global_set()).collect();
    for word in before {
        if awaited.take().is_some() {
            continue;
        }
        if word.starts_with('-') {
            awaited = flag(command, &globals, word)
                .filter(|arg| arg.get_action().takes_values() && !word.contains('='));
        } else if let Some(sub) = command.find_subcommand(word) {
            command = sub;
        }
    }
    if let Some(arg) = awaited {
        return values(arg);
    }
    let mut words = Vec::new();
    if last.starts_with('-') {
        let own = command.get_arguments().filter(|arg| !arg.is_global_set()).chain(globals);
        for arg in own.filter(|arg| !arg.is_hide_set()) {
            let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
            words.extend(arg.get_long().map(|long| (format!("--{long}"), first_sentence(&about))));
        }
        return Candidates { words, besides: Besides::Nothing };
    }
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        words.push((sub.get_name().to_owned(), first_sentence(&about)));
    }
    match command.get_positionals().next() {
        Some(arg) if words.is_empty() => values(arg),
        _ => Candidates { words, besides: Besides::Nothing },
    }
}

fn flag<'a>(command: &'a Command, globals: &[&'a Arg], word: &str) -> Option<&'a Arg> {
    let name = word.split('=').next().unwrap_or_default();
    let is_it = |arg: &&Arg| {
        let long = arg.get_long().is_some_and(|long| name.strip_prefix("--") == Some(long));
        let short = arg.get_short().is_some_and(|short| name == format!("-{short}"));
        long || short
    };
    command.get_arguments().chain(globals.iter().copied()).find(is_it)
}

/// What can be the value of an argument.
fn values(arg: &Arg) -> Candidates {
    let possible = arg.get_possible_values();
    let words = possible.iter().map(|value| {
        let about = value.get_help().map(ToString::to_string).unwrap_or_default();
        (value.get_name().to_owned(), first_sentence(&about))
    });
    let besides = match arg.get_id().as_str() {
        "name" | "names" => Besides::Name,
        "files" | "kubeconfig" => Besides::File,
        _ => Besides::Nothing,
    };
    Candidates { words: words.collect(), besides }
}

fn first_sentence(text: &str) -> String {
    text.split(['\n', '.', ';', ':']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(before: &[&str], last: &str) -> (Vec<String>, Besides) {
        let before: Vec<_> = before.iter().map(|word| (*word).to_owned()).collect();
        let Candidates { words, besides } = candidates(&Plugin::command(), &before, last);
        (words.into_iter().map(|(word, _)| word).collect(), besides)
    }

    #[test]
    fn completes_commands_flags_values_and_names() {
        let (commands, _) = found(&[], "");
        assert!(commands.contains(&"get-url".to_owned()) && !commands.contains(&"__complete".to_owned()));
        assert_eq!(found(&["policy"], "").0[0], "test");
        let (flags, _) = found(&["renew"], "--");
        assert!(
            flags.contains(&"--wait".to_owned()) && flags.contains(&"--namespace".to_owned()),
            "{flags:?}"
        );
        assert_eq!(found(&["renew", "-o"], "").0, ["json", "yaml"]);
        assert_eq!(found(&["status"], ""), (Vec::new(), Besides::Name));
        assert_eq!(found(&["-n", "status", "get-url"], ""), (Vec::new(), Besides::Name));
        assert_eq!(found(&["--kubeconfig"], ""), (Vec::new(), Besides::File));
        assert_eq!(found(&["policy", "test", "-f"], ""), (Vec::new(), Besides::File));
        assert_eq!(found(&["completion"], "").0, ["bash", "zsh", "fish", "kubectl"]);
    }
}
