//! How the server is called: ports and files in, command line out.

use std::{ffi::OsString, net::Ipv4Addr, net::SocketAddrV4, path::Path, time::Duration};

use anyhow::Result;

use super::files::SessionStoreFiles;
use crate::{
    Binary,
    component::{Launch, flag},
    ports,
};

/// The servers in the one program.
const PARTS: [&str; 4] = ["master", "volume", "filer", "s3"];

/// Two ports for each part, the second of which speaks gRPC.
pub(super) struct Ports([u16; 2 * PARTS.len()]);

impl Ports {
    pub(super) fn free() -> Result<Self> {
        ports::several().map(Self)
    }

    /// Of the part that takes and gives any file over HTTP.
    pub(super) fn filer(&self) -> u16 {
        self.0[4]
    }

    /// Of S3 and the STS.
    pub(super) fn s3(&self) -> u16 {
        self.0[6]
    }

    /// Whether nobody listens at any of them.
    pub(super) fn are_free(&self) -> bool {
        self.0.iter().all(|port| !ports::is_open(SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port)))
    }

    /// Each part with its two ports.
    fn parts(&self) -> impl Iterator<Item = (&'static str, u16, u16)> {
        PARTS.iter().zip(self.0.chunks(2)).map(|(part, ports)| (*part, ports[0], ports[1]))
    }

    /// A shell script that removes what the server leaves outside of its folder: where it puts
    /// these sockets cannot be chosen.
    pub(super) fn cleaning(&self) -> String {
        let socket = |(part, _, grpc)| format!(" /tmp/seaweedfs-{part}-grpc-{grpc}.sock");
        format!("rm -f{}", self.parts().map(socket).collect::<String>())
    }
}

/// Everything on loopback, and nothing that is not needed.
pub(super) fn launch(program: &Path, ports: &Ports, files: &SessionStoreFiles, folder: &Path) -> Launch {
    let mut arguments: Vec<OsString> = vec![
        // Why a request was refused.
        "-v=2".into(),
        "server".into(),
        flag("-ip", "127.0.0.1"),
        flag("-ip.bind", "127.0.0.1"),
        flag("-dir", files.data.as_os_str()),
        flag("-filer", "true"),
        flag("-s3", "true"),
        flag("-s3.config", files.identities.as_os_str()),
        flag("-s3.iam.config", files.roles.as_os_str()),
        flag("-s3.port.iceberg", "0"),
        flag("-s3.port.lance", "0"),
        flag("-s3.localSocket", folder.join("s3.sock")),
        flag("-filer.localSocket", folder.join("filer.sock")),
        flag("-master.telemetry", "false"),
        // There is nobody else to agree with, which a second start would wait 20 seconds for.
        flag("-master.peers", "none"),
        // As many as there is room for: each bucket needs some of its own.
        flag("-volume.max", "0"),
        flag("-master.volumeSizeLimitMB", "64"),
    ];
    for (part, http, grpc) in ports.parts() {
        arguments.push(flag(&format!("-{part}.port"), http.to_string()));
        arguments.push(flag(&format!("-{part}.port.grpc"), grpc.to_string()));
    }
    Launch {
        name: Binary::Weed.name(),
        program: program.to_owned(),
        arguments,
        environment: vec![
            // The settings of the person at the keyboard do not belong in tests.
            ("HOME", folder.into()),
            // All that it calls is on this machine, whatever proxy that uses.
            ("NO_PROXY", "*".into()),
            ("no_proxy", "*".into()),
            // Which the ends of sessions are told in, as on AWS.
            ("TZ", "UTC".into()),
            ("WEED_MASTER_VOLUME_GROWTH_COPY_1", "1".into()),
        ],
        // When asked to end it takes ten seconds, for nothing that anybody needs here.
        grace: Duration::ZERO,
    }
}
