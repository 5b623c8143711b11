//! Registers the driver with the kubelet, which finds the socket in its folder for plugins.

use tonic::{Request, Response, Status};

use crate::crd::names::DRIVER;
use crate::csi::proto::registration::registration_server::Registration;
use crate::csi::proto::registration::{
    InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse,
};
use crate::runtime::Check;

/// The version of CSI.
const VERSION: &str = "1.13.0";

/// The service `pluginregistration.Registration`.
#[derive(Debug)]
pub(super) struct RegistrationService {
    /// Passes when the kubelet has registered the driver.
    pub(super) registered: Check,
}

#[tonic::async_trait]
impl Registration for RegistrationService {
    /// Without an endpoint, the kubelet calls the driver on the same socket.
    async fn get_info(&self, _: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        Ok(Response::new(PluginInfo {
            r#type: "CSIPlugin".to_owned(),
            name: DRIVER.to_owned(),
            endpoint: String::new(),
            supported_versions: vec![VERSION.to_owned()],
        }))
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        let RegistrationStatus { plugin_registered, error } = request.into_inner();
        if plugin_registered {
            self.registered.pass();
            tracing::info!("the kubelet registered the driver");
        } else {
            self.registered.fail();
            tracing::error!(error, "the kubelet did not register the driver");
        }
        Ok(Response::new(RegistrationStatusResponse {}))
    }
}
