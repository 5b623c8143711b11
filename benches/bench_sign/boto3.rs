//! boto3 at the same work, in a process of its own.

use std::process::Command;

use serde_json::{Value, json};

use super::cases::Case;

const SCRIPT: &str = include_str!("boto3_sign.py");

/// A Python that has boto3.
pub(crate) struct Boto3 {
    python: String,
}

impl Boto3 {
    pub(crate) fn new(python: String) -> Self {
        Self { python }
    }

    /// Seconds of processor time for each URL; one round.
    pub(crate) fn seconds_each(&self, case: &Case) -> f64 {
        self.run(case, 2500)["seconds_each"].as_f64().unwrap()
    }

    /// The URL of the first key.
    pub(crate) fn sample(&self, case: &Case) -> String {
        self.run(case, 1)["sample"].as_str().unwrap().to_owned()
    }

    /// Versions of boto3, botocore and Python, for people.
    pub(crate) fn versions(&self) -> String {
        let answer = self.run(&super::cases::CASES[0], 1);
        answer["versions"].as_str().unwrap().to_owned()
    }

    fn run(&self, case: &Case, count: u32) -> Value {
        let mut task = case.for_boto3();
        task["count"] = json!(count);
        let output = Command::new(&self.python).args(["-c", SCRIPT, &task.to_string()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
