//! The command `crd`: prints the CRDs, for `kubectl apply -f -` and for the files in `deploy`.

use std::io::Write;

use anyhow::Context;

use crate::crd::definitions;

/// Prints all CRDs as YAML.
pub(super) fn print() -> anyhow::Result<()> {
    let yaml = yaml()?;
    std::io::stdout().write_all(yaml.as_bytes()).context("standard output")
}

/// All CRDs as YAML, one document each. The same CRDs give the same bytes.
fn yaml() -> anyhow::Result<String> {
    // Lines are not folded, so that grep finds whole rules and sentences.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let mut documents = Vec::new();
    for definition in definitions()? {
        documents.push(serde_saphyr::to_string_with_options(&definition, options.clone())?);
    }
    Ok(documents.join("---\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn says_the_same_as_the_definitions() {
        let printed: Vec<Value> = serde_saphyr::from_multiple(&yaml().unwrap()).unwrap();
        let expected: Vec<Value> = definitions()
            .unwrap()
            .iter()
            .map(|definition| serde_json::to_value(definition).unwrap())
            .collect();
        assert_eq!(printed, expected);
    }
}
