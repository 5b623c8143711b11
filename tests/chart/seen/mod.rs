//! What a person sees of a running operator: metrics, alerts, dashboard, logs, and how its
//! objects stand for those who deploy them.

mod alerts;
mod csi_alerts;
mod deployed;
mod logs;
mod metrics;

mod plots;
mod prometheus;
mod scene;
mod series;
