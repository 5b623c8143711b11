//! Which files make the kubeconfig, as kubectl finds them.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;

use kube::config::{Kubeconfig, KubeconfigError};

/// Reads the file of `--kubeconfig`, or else those of the variable KUBECONFIG, or else `~/.kube/config`.
/// `None` if there is nothing in any of them. Only the file of `--kubeconfig` has to exist.
///
/// # Errors
/// When a file is there and cannot be read.
pub(super) fn read(
    flag: Option<&Path>,
    variable: Option<&OsStr>,
) -> Result<Option<Kubeconfig>, KubeconfigError> {
    if let Some(path) = flag {
        return Kubeconfig::read_from(path).map(Some);
    }
    let paths: Vec<_> = variable.map(|paths| std::env::split_paths(paths).collect()).unwrap_or_default();
    let mut paths = paths.into_iter().filter(|path| !path.as_os_str().is_empty()).peekable();
    let file = if paths.peek().is_none() {
        existing(Kubeconfig::read())?.unwrap_or_default()
    } else {
        paths.try_fold(Kubeconfig::default(), |all, path| match existing(Kubeconfig::read_from(path))? {
            Some(mut next) => {
                next.current_context = next.current_context.filter(|name| !name.is_empty());
                all.merge(next)
            }
            None => Ok(all),
        })?
    };
    let is_empty = file.clusters.is_empty() && file.contexts.is_empty() && file.auth_infos.is_empty();
    Ok(Some(file).filter(|_| !is_empty))
}

/// `None` for a file that does not exist.
fn existing(read: Result<Kubeconfig, KubeconfigError>) -> Result<Option<Kubeconfig>, KubeconfigError> {
    match read {
        Ok(file) => Ok(Some(file)),
        Err(KubeconfigError::FindPath) => Ok(None),
        Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_variable_may_be_missing_and_that_of_the_flag_may_not() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second, broken, missing] =
            ["first", "second", "broken", "missing"].map(|name| folder.path().join(name));
        std::fs::write(&first, "{current-context: '', users: [{name: one, user: {}}]}").unwrap();
        std::fs::write(&second, "{current-context: two, users: [{name: two, user: {}}]}").unwrap();
        std::fs::write(&broken, "users: 1").unwrap();
        let found = |paths: &[&Path]| {
            let file =
                read(None, Some(&std::env::join_paths(paths).unwrap())).map_err(|error| error.to_string());
            file.map(|file| {
                let file = file.unwrap_or_default();
                let users: Vec<_> = file.auth_infos.iter().map(|user| user.name.clone()).collect();
                (file.current_context.unwrap_or_default(), users.join(" "))
            })
        };
        let text = |context: &str, users: &str| Ok((context.to_owned(), users.to_owned()));
        assert_eq!(found(&[&first, &missing, Path::new(""), &second]), text("two", "one two"));
        assert_eq!(found(&[&missing, &second]), text("two", "two"));
        assert_eq!(found(&[&missing]), text("", ""));
        assert!(found(&[&first, &broken]).is_err());
        assert!(read(Some(&missing), None).is_err());
        assert!(read(Some(&first), Some(second.as_os_str())).unwrap().unwrap().current_context.is_some());
    }
}
