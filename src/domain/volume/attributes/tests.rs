//! How attributes are sorted into URLs, and what is said about those that are none.

use super::*;

fn own() -> VolumeSource {
    VolumeSource::Own(Box::default())
}

fn sorted(pairs: &[(&str, &str)]) -> Result<VolumeAttributes, VolumeFailure> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    VolumeAttributes::sort(&pairs.iter().map(pair).collect())
}

#[test]
fn what_has_no_name_holds_for_all_urls() {
    let attributes = sorted(&[
        ("csi.storage.k8s.io/pod.name", "p"),
        ("bucket", "b"),
        ("region", "r"),
        ("header.A", "1"),
        ("in.key", "k"),
        ("out.key", "l"),
        ("out.method", "PUT"),
        ("out.header.A", "2"),
        ("out.header.B-c.d", "3"),
    ])
    .unwrap();
    assert_eq!(attributes.names().collect::<Vec<_>>(), ["in", "out"]);
    let spec = |name| attributes.spec(name, &own()).unwrap();
    let (first, second) = (spec("in"), spec("out"));
    assert_eq!((first.bucket.as_str(), first.key.as_str(), first.method), ("b", "k", None));
    let headers: Vec<_> = second.headers.unwrap().into_iter().collect();
    assert_eq!(headers, [("A", "2"), ("B-c.d", "3")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(second.s3.unwrap().region, "r");
}

#[test]
fn a_form_is_read_with_its_types() {
    let attributes = sorted(&[
        ("bucket", "b"),
        ("key", "in/"),
        ("region", "r"),
        ("method", "POST"),
        ("form.maxSize", "10"),
        ("form.keyPrefix", "true"),
        ("form.metadata.camera", "7"),
        ("form.successStatus", "201"),
    ])
    .unwrap();
    let form = attributes.spec("", &own()).unwrap().form.unwrap();
    assert_eq!((form.max_size, form.key_prefix, form.success_status), (10, Some(true), Some(201)));
    assert_eq!(form.metadata.unwrap()["camera"], "7");
}

#[test]
fn what_is_none_is_named_and_what_to_write_is_said() {
    for (name, said) in [
        ("bukket", "volumeAttributes.bukket: is no attribute"),
        ("s3.endpoint", "write endpoint"),
        ("spec.key", "write key"),
        ("headers.Range", "write header.Range"),
        ("signer.name", "write signer for the name"),
        ("signerRef.kind", "signerKind for Signer or ClusterSigner"),
        ("in.signer", "all URLs of a volume share it: write signer"),
        ("in.endpoint", "write endpoint"),
        ("In.key", "\"In\" cannot be the name of a URL"),
        ("form.key", "\"form\" cannot be the name of a URL"),
        ("header.", "is no attribute"),
        ("suspend", "is no attribute"),
        ("../x.key", "is no attribute"),
    ] {
        let failure = sorted(&[(name, "x")]).unwrap_err();
        assert!(failure.message.contains(said), "{name}: {failure}");
    }
    for (pairs, said) in [
        (&[("method", "get")][..], "volumeAttributes.method: must be GET, HEAD"),
        (&[("renewBeforePercentage", "many")], "must be a whole number"),
        (&[("aws.fips", "yes")], "volumeAttributes.aws.fips: must be true or false"),
        (&[("form.contentType", "image/")], "volumeAttributes.form.maxSize: is not set"),
    ] {
        let pairs = [&[("bucket", "b"), ("key", "k"), ("region", "r")], pairs].concat();
        let failure = sorted(&pairs).unwrap().spec("", &own()).unwrap_err();
        assert!(failure.message.contains(said), "{pairs:?}: {failure}");
    }
    let failure = sorted(&[]).unwrap().spec("", &own()).unwrap_err();
    assert_eq!(failure.message, "volumeAttributes.bucket: is not set: add it");
    let many: Vec<String> = (0..33).map(|number| format!("u{number}.key")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "k")).collect();
    assert!(sorted(&many).unwrap_err().message.contains("at most 32 URLs"));
}
