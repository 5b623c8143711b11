//! Admits the requests of pods: a rate and a number of slots for each node, and for each namespace on a
//! node.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::failure::{SigningFailure, SigningResult};
use super::pod::RequestingPod;
use super::shares::{ShareLimits, Shares};
use crate::domain::signer::SignerId;
use crate::runtime::lock::Lock;

/// A node has up to some hundred pods, which may all start at once, each with several volumes.
const OF_NODE: ShareLimits = ShareLimits { burst: 1000, per_second: 50, at_work: 16, most: 16_384 };
/// One pod that asks without end leaves the other namespaces of its node their part.
const OF_NAMESPACE: ShareLimits = ShareLimits { burst: 600, per_second: 30, at_work: 8, most: 32_768 };
/// How many requests are worked on in all. Each may hold some hundred KiB.
const AT_WORK: usize = 256;
/// A signer whose STS does not answer leaves the others their slots.
const OF_SIGNER: ShareLimits = ShareLimits { burst: 100_000, per_second: 10_000, at_work: 64, most: 16_384 };

/// Admits requests.
#[derive(Debug)]
pub struct Admission {
    nodes: Lock<Shares<String>>,
    namespaces: Lock<Shares<(String, String)>>,
    signers: Lock<Shares<SignerId>>,
    slots: Arc<Semaphore>,
}

/// The slots of a request, until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    _places: [Option<OwnedSemaphorePermit>; 2],
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            nodes: Lock::new(Shares::new(OF_NODE)),
            namespaces: Lock::new(Shares::new(OF_NAMESPACE)),
            signers: Lock::new(Shares::new(OF_SIGNER)),
            slots: Arc::new(Semaphore::new(AT_WORK)),
        }
    }
}

impl Admission {
    /// Waits for the slots of a request at its node and its namespace. It can then be read.
    ///
    /// # Errors
    /// The fault when the node or the namespace has asked too often.
    pub async fn admit(&self, pod: &RequestingPod) -> Result<Admitted, SigningFailure> {
        let now = Instant::now();
        let busy = |who: &str| {
            let message = format!("{who} sends too many signing requests: they are tried again");
            SigningFailure::new(SigningResult::RateLimited, message)
        };
        // The namespace comes first, so that what it is refused costs the node nothing.
        let owner = (pod.node.clone(), pod.namespace.clone());
        let of_namespace = self.namespaces.write().take(&owner, now);
        let of_namespace = of_namespace.ok_or_else(|| busy("the namespace of the pod on this node"))?;
        let of_node = self.nodes.write().take(&pod.node, now).ok_or_else(|| busy("the node"))?;
        // They are never closed.
        let of_namespace = of_namespace.acquire_owned().await.ok();
        let of_node = of_node.acquire_owned().await.ok();
        Ok(Admitted { _places: [of_namespace, of_node] })
    }

    /// Waits for the slots of a request that was read, among those for its signer and among all.
    ///
    /// # Errors
    /// The fault when there are too many signers.
    pub async fn admit_for(&self, signer: &SignerId) -> Result<Admitted, SigningFailure> {
        let of_signer = self.signers.write().take(signer, Instant::now());
        let of_signer = of_signer.ok_or_else(|| {
            let message = "the signer gets too many requests: they are tried again";
            SigningFailure::new(SigningResult::RateLimited, message)
        })?;
        // They are never closed.
        let of_signer = of_signer.acquire_owned().await.ok();
        let of_all = self.slots.clone().acquire_owned().await.ok();
        Ok(Admitted { _places: [of_signer, of_all] })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::crd::SignerKind;

    #[test]
    fn a_flood_of_a_node_leaves_the_others_their_places_and_a_flood_of_a_namespace_too() {
        let admission = Admission::default();
        let pods = |namespace: &str| RequestingPod::made_up(namespace, "flooded");
        let (one, other, third) = (pods("one"), pods("other"), pods("third"));
        let elsewhere = RequestingPod::made_up("one", "elsewhere");
        let mut flood: Vec<_> = (0..=AT_WORK).map(|_| Box::pin(admission.admit(&one))).collect();
        let mut admitted: Vec<_> = flood.iter_mut().filter_map(FutureExt::now_or_never).collect();
        assert_eq!(admitted.len(), OF_NAMESPACE.at_work, "the others of the namespace wait");
        assert!(admission.admit(&elsewhere).now_or_never().is_some_and(|slot| slot.is_ok()));
        // Another namespace of the node has the slots that are left, and no more.
        let more: Vec<_> = (0..20).filter_map(|_| admission.admit(&other).now_or_never()).collect();
        assert_eq!(more.len(), OF_NODE.at_work - OF_NAMESPACE.at_work);
        assert!(admission.admit(&third).now_or_never().is_none());
        assert!(admission.admit(&elsewhere).now_or_never().is_some_and(|slot| slot.is_ok()));
        admitted.clear();
        drop(flood);
        assert!(admission.admit(&third).now_or_never().is_some_and(|slot| slot.is_ok()));
    }

    #[test]
    fn a_signer_whose_sts_hangs_leaves_the_others_their_places() {
        let admission = Admission::default();
        let signer = |name: &str| SignerId {
            kind: SignerKind::ClusterSigner,
            namespace: String::new(),
            name: name.to_owned(),
        };
        let (hangs, works) = (signer("hangs"), signer("works"));
        let held: Vec<_> = (0..AT_WORK).filter_map(|_| admission.admit_for(&hangs).now_or_never()).collect();
        assert_eq!(held.len(), OF_SIGNER.at_work);
        assert!(admission.admit_for(&works).now_or_never().is_some_and(|slot| slot.is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_too_often_is_refused_and_no_other() {
        let admission = Admission::default();
        let pod = |namespace: &str, node: &str| RequestingPod::made_up(namespace, node);
        let ask = async |pod: RequestingPod| admission.admit(&pod).await.err().map(|failure| failure.result);
        for _ in 0..OF_NAMESPACE.burst {
            assert_eq!(ask(pod("one", "a")).await, None);
        }
        for _ in 0..100 {
            assert_eq!(ask(pod("one", "a")).await, Some(SigningResult::RateLimited));
        }
        for _ in 0..OF_NODE.burst - OF_NAMESPACE.burst {
            assert_eq!(ask(pod("other", "a")).await, None, "what is refused costs the node nothing");
        }
        assert_eq!(ask(pod("third", "a")).await, Some(SigningResult::RateLimited));
        assert_eq!(ask(pod("one", "b")).await, None);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!(ask(pod("one", "a")).await, None);
    }
}
