//! DELETE, which takes an object away and nothing else.

use super::{S3S, VERSITYGW, curl};

#[test]
fn a_deleted_object_is_gone_and_its_neighbour_is_not() {
    for store in [&*VERSITYGW, &*S3S] {
        let bucket = store.bucket();
        for key in ["a+b", "a b"] {
            store.put(&bucket, key, key.as_bytes());
        }
        let answer = curl(&store.url("DELETE", &bucket, "a+b"), b"");
        assert_eq!(answer.status, 204, "{}", store.name);
        assert_eq!(store.get(&bucket, "a+b").refusal(), "404 NoSuchKey", "{}", store.name);
        assert_eq!(store.get(&bucket, "a b").text(), "a b", "{}", store.name);
    }
}
