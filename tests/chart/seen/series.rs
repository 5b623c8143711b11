//! The text that the operators expose, as series with values.

use std::collections::BTreeMap;

/// What the replicas exposed at one moment: series with their label `instance` → value.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub values: BTreeMap<String, f64>,
}

/// The replicas, as their label calls them; the first is the leader.
pub const INSTANCES: [&str; 3] = ["leader", "standby", "cut-off"];

impl Snapshot {
    /// Reads the pages of the three.
    pub fn parse(pages: [&str; 3]) -> Self {
        let mut values = BTreeMap::new();
        for (instance, page) in INSTANCES.into_iter().zip(pages) {
            for line in page.lines().filter(|line| !line.starts_with('#')) {
                let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
                values.insert(labelled(series, instance), value.parse().unwrap());
            }
        }
        Self { values }
    }

    /// What a series of the leader says; 0 if there is none.
    pub fn value(&self, series: &str) -> f64 {
        self.of(series, INSTANCES[0])
    }

    /// Whether the three URLs that are well are issued, and no replica sees any trouble: one
    /// that stands by hears of things later, and another story may just replace definitions.
    pub fn is_healthy(&self) -> bool {
        let troubles = self.values.iter().filter(|(series, value)| {
            let is_trouble = match name(series) {
                "presign_failing_watches" => true,
                "presign_objects_by_reason" => !series.contains(r#"reason="Issued""#),
                _ => false,
            };
            is_trouble && **value > 0.0
        });
        let is_issued = self.value(r#"presign_objects_by_reason{reason="Issued"}"#) == 3.0;
        is_issued && self.value("presign_leader") == 1.0 && troubles.count() == 0
    }

    /// What a series of a replica says; 0 if there is none.
    pub fn of(&self, series: &str, instance: &str) -> f64 {
        self.values.get(&labelled(series, instance)).copied().unwrap_or_default()
    }
}

/// A series with one more label.
fn labelled(series: &str, instance: &str) -> String {
    match series.strip_suffix('}') {
        Some(series) => format!("{series},instance=\"{instance}\"}}"),
        None => format!("{series}{{instance=\"{instance}\"}}"),
    }
}

/// The name of a series.
pub fn name(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}
