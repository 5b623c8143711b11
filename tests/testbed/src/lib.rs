//! A real Kubernetes control plane and a real S3 server on loopback, or, with a node that
//! runs pods, on a network of their own.
//!
//! For tests, the demo and benchmarks of presign-operator; nothing here knows
//! what a presigned URL is. [`ControlPlane::start`] and [`ObjectStoreBuilder::start`]
//! are synchronous (call them from `spawn_blocking` or a `LazyLock`), build what
//! they need on first use (see [`locate`]), and leave nothing behind, however
//! their owner ends. `PRESIGN_TESTBED_KEEP=1` keeps the temporary folders.

mod assets;
mod component;
mod control_plane;
pub mod disk;
mod go;
mod home;
mod http;
mod metrics;
mod network;
mod node;
mod object_store;
pub mod page;
mod polling;
mod ports;
mod process;
mod program;
mod progress;
mod proxy;
mod random;
mod serving;
mod session_store;
mod settings;
mod sts_front;
mod tls;
mod tool;

pub use anyhow::Result;
pub use assets::{Binary, build_all, locate};
pub use component::signal;
pub use control_plane::{ControlPlane, ControlPlaneBuilder, SavedEtcd};
pub use http::{HttpAnswer, http_get};
pub use metrics::sample;
pub use network::Network;
pub use node::Node;
pub use object_store::{ObjectStore, ObjectStoreBuilder};
pub use polling::{answered, eventually, wait_until};
pub use process::{kibibytes, processor_seconds};
pub use program::Program;
pub use proxy::{
    Awaited, Chance, Chances, Fault, Hold, Match, Pause, Proxy, Recorded, Sent, Shown, WatchEvent,
};
pub use session_store::{Role, SessionStore, SessionStoreBuilder, allow};
pub use settings::number;
pub use sts_front::{StsAnswer, StsFault, StsFront, element};
pub use tls::ServerCertificate;
pub use tool::{curl, curl_command, feed, output, output_of};
