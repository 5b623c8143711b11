//! Generates the messages and services of CSI and of the kubelet's plugin registration, without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["proto/csi/v1/csi.proto", "proto/pluginregistration/api.proto"];
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto/csi/v1", "proto/pluginregistration"])?;
    tonic_prost_build::configure()
        // CSI adds alpha calls to its services now and then.
        .generate_default_stubs(true)
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
