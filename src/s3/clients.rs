//! The clients of the SDK. One is kept for each connection, because building one costs as much as signing
//! several URLs.
//!
//! Credentials are not part of a client. They are passed with each request.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};

use crate::domain::request::{Addressing, Connection};

/// How many clients are kept. When there are more, all are dropped and built again as needed.
const CAPACITY: usize = 1024;

/// The clients of all connections in use.
#[derive(Debug, Default)]
pub(super) struct Clients {
    by_connection: RwLock<HashMap<Connection, Client>>,
}

impl Clients {
    /// The client for a connection. Builds it if there is none yet.
    pub(super) fn get(&self, connection: &Connection) -> Client {
        // A poisoned map is still consistent, because every change of it is a single call.
        let clients = self.by_connection.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(connection) {
            return client.clone();
        }
        drop(clients);
        let client = Client::from_conf(configuration(connection));
        let mut clients = self.by_connection.write().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CAPACITY {
            clients.clear();
        }
        clients.insert(connection.clone(), client.clone());
        client
    }
}

fn configuration(connection: &Connection) -> Config {
    // Without these settings the SDK would require timers, and would add checksum headers that no caller
    // sends.
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(connection.region.clone()))
        // For a bucket endpoint, `amend` removes the bucket from the path.
        .force_path_style(connection.addressing != Addressing::VirtualHosted)
        .use_arn_region(false)
        .use_dual_stack(connection.aws.dual_stack)
        .use_fips(connection.aws.fips)
        .disable_s3_express_session_auth(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .identity_cache(IdentityCache::no_cache());
    if let Some(endpoint) = &connection.endpoint {
        // Without a trailing slash the SDK would join a path prefix and the bucket.
        config = config.endpoint_url(format!("{endpoint}/"));
    }
    config.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::request::AwsAddress;

    fn connection(region: &str) -> Connection {
        Connection {
            endpoint: None,
            region: region.to_owned(),
            addressing: Addressing::Path,
            aws: AwsAddress::default(),
        }
    }

    #[test]
    fn keeps_one_client_for_each_connection_and_not_without_bound() {
        let clients = Clients::default();
        let count = || clients.by_connection.read().unwrap().len();
        clients.get(&connection("a"));
        clients.get(&connection("a"));
        assert_eq!(count(), 1);
        for index in 1..CAPACITY {
            clients.get(&connection(&index.to_string()));
        }
        assert_eq!(count(), CAPACITY);
        clients.get(&connection("one-more"));
        assert_eq!(count(), 1);
    }
}
