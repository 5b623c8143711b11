//! What tells one session from another, and which secrets are never shown.

use super::*;

/// The key of a session that a namespace gets of a signer.
fn key(credentials: &Value, namespace: &str) -> SessionKey {
    let signer = of_signer(credentials).unwrap();
    let location = signer.credentials(Requester::new(namespace, "x")).unwrap();
    let source = SessionSource::Ambient;
    let owner = SessionOwner::Signer(signer.uid.clone());
    SessionKey::new(source, *location.session.unwrap(), owner).0
}

#[test]
fn namespaces_share_what_is_not_narrowed_and_nothing_else() {
    let of = |narrow_to: &str| {
        json!({"webIdentity": {"serviceAccountRef": {"name": "u"}, "roleARN": ROLE},
            "session": {"narrowTo": narrow_to}})
    };
    assert_eq!(key(&of("Nothing"), "team-a"), key(&of("Nothing"), "team-b"));
    assert_ne!(key(&of("Namespace"), "team-a"), key(&of("Namespace"), "team-b"));
    assert_ne!(key(&of("Nothing"), "team-a"), key(&of("Namespace"), "team-a"));
    // What a session permits and the secrets of its role are in no text for people.
    let shown = format!("{:?}", key(&of("Nothing"), "team-a"));
    assert!(shown.contains("presign.signer.m") && !shown.contains("policy"), "{shown}");
}

#[test]
fn namespaces_share_the_session_that_their_role_is_assumed_with() {
    let chain = json!({"ambient": {}, "assumeRole": {"roleARN": ROLE, "externalID": "id"},
        "session": {"narrowTo": "Namespace"}});
    let (one, other) = (key(&chain, "team-a"), key(&chain, "team-b"));
    assert_ne!(one, other);
    let (policy, duration, block) = (Some("a policy".to_owned()), 7200, Digest::of("a block"));
    let one = SessionKey { spec: SessionSpec { duration, policy, block, ..one.spec }, ..one };
    let base = one.base().unwrap();
    assert_eq!((base.spec.duration, base.spec.narrow_to), (900, NarrowTo::Nothing));
    assert_eq!(Some(&base), other.base().as_ref());
    assert_eq!((base.spec.policy.as_ref(), base.spec.name.as_str()), (None, "presign.signer.m"));
    assert_eq!((base.base(), base.sts_request(None)), (None, None), "the identity of the operator");
    assert_eq!(one.sts_request(Some("a bundle")).unwrap().service.ca_bundle.as_deref(), Some("a bundle"));
    let sts_request = one.sts_request(None).unwrap();
    assert_eq!(
        (sts_request.role_arn.as_deref(), sts_request.external_id.as_deref()),
        (Some(ROLE), Some("id"))
    );
    assert_eq!((sts_request.session_name.as_str(), sts_request.policy.is_some()), ("presign-team-a", true));
    // An access key assumes the role itself.
    let source =
        SessionSource::Secret { namespace: String::new(), name: String::new(), content: Digest::default() };
    assert_eq!(SessionKey { source, ..one }.base(), None);
}

#[test]
fn a_key_in_a_secret_is_told_from_another_one_and_each_source_has_its_name() {
    use crate::domain::model::{at, credentials};
    let of = |credentials| SessionSource::secret("team-a", "keys", &credentials);
    let first = of(credentials("AKIA", None));
    assert_eq!(first, of(credentials("AKIA", None)));
    assert_ne!(first, of(credentials("OTHER", None)));
    assert_ne!(first, of(credentials("AKIA", Some(at(60)))), "with a session token");
    let account = SessionSource::ServiceAccount {
        namespace: "team-a".to_owned(),
        name: "uploader".to_owned(),
        uid: "u".to_owned(),
        audience: "sts.amazonaws.com".to_owned(),
        role_arn: None,
    };
    let kinds = [first, account, SessionSource::Ambient].map(|source| source.kind());
    assert_eq!(kinds, ["Secret", "WebIdentity", "Ambient"]);
}

#[test]
fn the_secrets_of_a_role_and_its_policy_are_in_no_text_for_people() {
    let role = json!({"ambient": {}, "assumeRole": {"roleARN": ROLE, "externalID": "an-external-id"}});
    let key = key(&role, "team-a");
    let key = SessionKey { spec: SessionSpec { policy: Some("a-policy".to_owned()), ..key.spec }, ..key };
    let request = key.sts_request(None).unwrap();
    assert_eq!(request.external_id.as_deref(), Some("an-external-id"));
    for text in [format!("{key:?}"), format!("{request:?}"), format!("{:?}", key.spec.role)] {
        assert!(text.contains(ROLE), "{text}");
        assert!(!text.contains("an-external-id") && !text.contains("a-policy"), "{text}");
    }
}
