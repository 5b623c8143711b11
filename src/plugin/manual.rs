//! The page `docs/kubectl-presign.md`, made from the definition of the command line. Pure.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command, CommandFactory as _};

use super::Plugin;

/// What stands before the commands.
const START: &str = "# kubectl presign

<!-- Made from src/plugin by `make manifests`. -->

The kubectl plugin shows, renews and explains presigned URLs. It is the binary of the operator under another
name:

<!-- not run: it installs into the system; tests/plugin runs the plugin by these names -->
```sh
install presign-operator /usr/local/bin/kubectl-presign     # or: ln -s
kubectl presign completion kubectl | install /dev/stdin /usr/local/bin/kubectl_complete-presign
```

The second line is for the completion of kubectl, which then also completes names of PresignedUrls. A release
also has a manifest for [krew](https://krew.sigs.k8s.io): `kubectl krew install --manifest=presign.yaml`. In a
container of the operator's image, for example of a CronJob, the first argument `kubectl-presign` makes it the
plugin: `args: [kubectl-presign, renew, --all, --wait]`.

Only `get-url` prints a URL or a form. No other command prints a signature, the policy of a form, a session
token or an access key id. Output is text for people, with colours on a terminal only (and not with
`NO_COLOR`); `-o json` and `-o yaml` are for programs. Exit codes: 0 if all is well, 1 if something is not
(not ready, not renewed, expired, another signature, denied, an API error), 2 if the command line or the
kubeconfig is wrong.

The kubeconfig is found as kubectl finds it. A file in `KUBECONFIG` that does not exist is skipped. Client
certificates, tokens, token files and exec plugins work. Of the providers of old kubeconfigs
(`auth-provider`), `gcp` works with a command, and a token of `oidc` is used without being refreshed: use an
exec plugin. `proxy-url` works, and so does `HTTPS_PROXY` with the exceptions in `NO_PROXY`: an HTTP proxy
(`http://HOST:PORT`) or a SOCKS proxy (`socks5://HOST:PORT`), without a password.

The last table has the flags for the connection. kubectl has others, such as `--server`, `--token`,
`--certificate-authority`, `--tls-server-name`, `--insecure-skip-tls-verify` and `--as-uid`, which the plugin
does not have: write their values into a kubeconfig.
";

/// The whole page.
#[must_use]
pub fn manual() -> String {
    reference(Plugin::command(), "kubectl presign", START)
}

/// A page about the commands of a program, after a text.
#[must_use]
pub fn reference(mut root: Command, program: &str, start: &str) -> String {
    root.build();
    let mut text = start.to_owned();
    let globals: Vec<&Arg> = root.get_arguments().filter(|arg| arg.is_global_set()).collect();
    for command in root.get_subcommands().filter(|command| is_shown(command)) {
        section(command, program, &mut text);
    }
    if !globals.is_empty() {
        text.push_str("\n## Flags of all commands\n\n");
        table(globals.into_iter(), &mut text);
    }
    text
}

fn is_shown(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

fn section(command: &Command, parent: &str, text: &mut String) {
    let name = format!("{parent} {}", command.get_name());
    let inner: Vec<_> = command.get_subcommands().filter(|inner| is_shown(inner)).collect();
    if !inner.is_empty() {
        for inner in inner {
            section(inner, &name, text);
        }
        return;
    }
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let _ = write!(text, "\n## {name}\n\n{}\n\n```\n{name}{}\n```\n\n", wrapped(&about), usage(command));
    let own = command.get_arguments().filter(|arg| !arg.is_global_set() && is_documented(arg));
    table(own, text);
}

fn is_documented(arg: &Arg) -> bool {
    !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version"
}

fn usage(command: &Command) -> String {
    let mut text = String::new();
    for arg in command.get_positionals() {
        let shown = value(arg);
        let many = if arg.get_num_args().is_some_and(|range| range.max_values() > 1) { "..." } else { "" };
        let _ = if arg.is_required_set() {
            write!(text, " {shown}{many}")
        } else {
            write!(text, " [{shown}{many}]")
        };
    }
    format!("{text} [flags]")
}

fn value(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names.first().map_or_else(|| arg.get_id().as_str().to_uppercase(), ToString::to_string)
}

fn table<'a>(args: impl Iterator<Item = &'a Arg>, text: &mut String) {
    let args: Vec<_> = args.filter(|arg| is_documented(arg)).collect();
    if args.is_empty() {
        return;
    }
    text.push_str("| argument | meaning |\n|---|---|\n");
    for arg in args {
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        let help = if help.ends_with('.') { help } else { format!("{help}.") };
        let names: Vec<_> =
            arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        let possible = (!names.is_empty() && arg.get_action().takes_values())
            .then(|| format!(" One of: {}.", names.join(", ")));
        let defaults: Vec<_> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        let is_told = !defaults.is_empty() && arg.get_action().takes_values();
        let default = is_told.then(|| format!(" Default: {}.", defaults.join(", ")));
        let variable = arg.get_env().map(|name| format!(" Variable: `{}`.", name.to_string_lossy()));
        let _ = writeln!(
            text,
            "| `{}` | {help}{}{}{} |",
            flag(arg),
            possible.unwrap_or_default(),
            default.unwrap_or_default(),
            variable.unwrap_or_default(),
        );
    }
}

fn flag(arg: &Arg) -> String {
    let value = value(arg).replace('|', "\\|");
    let mut names: Vec<String> = arg.get_short().map(|short| format!("-{short}")).into_iter().collect();
    names.extend(arg.get_long().map(|long| format!("--{long}")));
    match (names.is_empty(), arg.get_action()) {
        (true, _) => value,
        (false, ArgAction::SetTrue) => names.join(", "),
        (false, _) => format!("{} {value}", names.join(", ")),
    }
}

/// Paragraphs with lines of at most 110 characters.
fn wrapped(text: &str) -> String {
    let paragraph = |paragraph: &str| {
        let mut lines = vec![String::new()];
        for word in paragraph.split_whitespace() {
            let last = lines.last().map_or(0, String::len);
            if last > 0 && last + word.len() >= 110 {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
        }
        lines.join("\n")
    };
    text.split("\n\n").map(paragraph).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_every_command_and_no_hidden_one() {
        let text = manual();
        for heading in
            ["status", "renew", "inspect", "explain", "check", "policy test", "get-url", "completion"]
        {
            assert!(text.contains(&format!("\n## kubectl presign {heading}\n")), "{heading}");
        }
        assert!(!text.contains("__complete"), "{text}");
        assert!(text.lines().filter(|line| !line.starts_with('|')).all(|line| line.len() <= 110));
    }
}
