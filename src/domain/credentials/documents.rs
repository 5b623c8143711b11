//! Parses the `BucketInfo` that COSI drivers write: JSON under one data key.
//!
//! <https://container-object-storage-interface.sigs.k8s.io/>

use std::borrow::Cow;

use super::layouts::Present;
use super::{DataValue, FoundValues, InvalidCredentials, Reader};

const KEY: &str = "BucketInfo";
const ID: &str = "spec.secretS3.accessKeyID";
const SECRET: &str = "spec.secretS3.accessSecretKey";

/// The access key in the `BucketInfo` of a Secret; `None` when there is no such key.
pub(super) fn bucket_info<'a>(reader: &Reader<'a>) -> Option<Present<'a>> {
    let document = reader.value(KEY)?;
    Some(Present { key: KEY, found: read(reader, &document) })
}

fn read<'a>(reader: &Reader<'a>, document: &DataValue<'a>) -> Result<FoundValues<'a>, InvalidCredentials> {
    let no_json = "is not JSON: store what the COSI driver wrote, or name the keys of the access key in spec.s3.credentials.secretRef.keys";
    // The message of the parser is not shown, because it can quote the document.
    let parsed: serde_json::Value =
        serde_json::from_slice(&document.bytes).map_err(|_| reader.bad(document, no_json))?;
    let access = &parsed["spec"]["secretS3"];
    if !access.is_object() {
        let problem = "has no spec.secretS3: the bucket has no access key for S3";
        return Err(reader.bad(document, problem));
    }
    let field = |name: &str, field| {
        let value = |text: &str| DataValue {
            key: KEY,
            field: Some(field),
            bytes: Cow::Owned(text.as_bytes().to_vec()),
        };
        let missing = || reader.bad(&value(""), "is missing: the COSI driver must write it");
        access[name].as_str().map(value).ok_or_else(missing)
    };
    let (id, secret) = (field("accessKeyID", ID)?, field("accessSecretKey", SECRET)?);
    Ok(FoundValues { id, secret, token: None, expiration: None })
}
