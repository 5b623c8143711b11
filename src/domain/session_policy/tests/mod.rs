//! The exact text of session policies. `properties` has what is true of all of them.

mod evaluator;
mod generators;
mod namespaces;
mod properties;

use super::*;
use crate::domain::model;
use crate::domain::request::Form;

/// AWS in a region.
fn aws(region: &str) -> Connection {
    Connection { endpoint: None, region: region.to_owned(), ..model::request().connection }
}

/// Another store.
fn other() -> Connection {
    model::request().connection
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A request for `a/b.pdf` in `media`, on AWS in Ireland.
fn asked(method: Method) -> Request {
    let (bucket, key) = ("media".to_owned(), "a/b.pdf".to_owned());
    let form = (method == Method::Post).then(model::form);
    Request { connection: aws("eu-west-1"), bucket, key, method, form, ..model::request() }
}

fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

/// A policy with these actions on a resource, and on the keys of encrypted objects in Ireland.
fn expected(actions: &str, resource: &str, on_key: &str) -> String {
    let quoted = |all: &str| all.split(' ').map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(",");
    let object =
        format!(r#"{{"Effect":"Allow","Action":[{}],"Resource":[{}]}}"#, quoted(actions), quoted(resource));
    if on_key.is_empty() {
        return document(&object);
    }
    document(&format!(
        r#"{object},{{"Effect":"Allow","Action":[{}],"Resource":["*"],"Condition":{{"StringEquals":{{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}}}}}}"#,
        quoted(on_key)
    ))
}

const READ: &str = "kms:Decrypt";
const WRITE: &str = "kms:GenerateDataKey";

#[test]
fn a_session_for_an_object_has_the_actions_of_its_row() {
    let version = [("versionId", "3")];
    let part = [("partNumber", "1"), ("uploadId", "u")];
    for (method, query, header, actions, on_key) in [
        (Method::Get, &[][..], "", "s3:GetObject", READ),
        (Method::Get, &version, "", "s3:GetObjectVersion", READ),
        (Method::Get, &[("response-content-type", "a/b")], "range", "s3:GetObject", READ),
        (Method::Get, &[("partNumber", "1")], "if-match", "s3:GetObject", READ),
        (Method::Head, &[], "", "s3:GetObject", READ),
        (Method::Head, &version, "", "s3:GetObjectVersion", READ),
        (Method::Put, &[], "", "s3:PutObject", WRITE),
        (Method::Put, &[], "content-type", "s3:PutObject", WRITE),
        (Method::Put, &part, "", "s3:PutObject", "kms:Decrypt kms:GenerateDataKey"),
        (Method::Put, &[], "X-Amz-Tagging", "s3:PutObject s3:PutObjectTagging", WRITE),
        (Method::Put, &[], "x-amz-acl", "s3:PutObject s3:PutObjectAcl", WRITE),
        (Method::Put, &[], "x-amz-grant-full-control", "s3:PutObject s3:PutObjectAcl", WRITE),
        (Method::Put, &[], "x-amz-grant-read", "s3:PutObject s3:PutObjectAcl", WRITE),
        (Method::Put, &[], "x-amz-grant-read-acp", "s3:PutObject s3:PutObjectAcl", WRITE),
        (Method::Put, &[], "x-amz-grant-write-acp", "s3:PutObject s3:PutObjectAcl", WRITE),
        (Method::Put, &[], "x-amz-object-lock-mode", "s3:PutObject s3:PutObjectRetention", WRITE),
        (
            Method::Put,
            &[],
            "x-amz-object-lock-retain-until-date",
            "s3:PutObject s3:PutObjectRetention",
            WRITE,
        ),
        (Method::Put, &[], "x-amz-object-lock-legal-hold", "s3:PutObject s3:PutObjectLegalHold", WRITE),
        (Method::Put, &[], "x-amz-bypass-governance-retention", "s3:PutObject", WRITE),
        (Method::Put, &[], "if-none-match", "s3:PutObject", WRITE),
        (Method::Put, &[], "If-Match", "s3:GetObject s3:PutObject", WRITE),
        (Method::Post, &[], "", "s3:PutObject", WRITE),
        (Method::Delete, &[], "", "s3:DeleteObject", ""),
        (Method::Delete, &version, "", "s3:DeleteObjectVersion", ""),
        (Method::Delete, &[], "if-match", "s3:DeleteObject s3:GetObject", ""),
        (Method::Delete, &version, "x-amz-bypass-governance-retention", "s3:DeleteObjectVersion", ""),
    ] {
        let headers = if header.is_empty() { Vec::new() } else { pairs(&[(header, "v")]) };
        let request = Request { query: pairs(query), headers, ..asked(method) };
        let expected = expected(actions, "arn:aws:s3:::media/a/b.pdf", on_key);
        assert_eq!(of_object(&request), Ok(expected), "{method} {query:?} {header}");
    }
}

#[test]
fn a_form_whose_visitors_choose_the_name_has_a_session_for_all_below_the_prefix() {
    let form = |key: &str| {
        let form = Form { is_key_prefix: true, ..model::form() };
        Request { key: key.to_owned(), form: Some(form), ..asked(Method::Post) }
    };
    let resource = "arn:aws:s3:::media/in/a${*}b/*";
    assert_eq!(of_object(&form("in/a*b/")), Ok(expected("s3:PutObject", resource, WRITE)));
    let elsewhere = Request { connection: other(), ..form("in/") };
    assert_eq!(of_object(&elsewhere), Ok(expected("s3:PutObject", "arn:aws:s3:::media/in/*", "")));
}

#[test]
fn another_store_gets_no_encryption_keys_and_both_actions_for_a_version() {
    for (method, query, actions) in [
        (Method::Get, &[][..], "s3:GetObject"),
        (Method::Head, &[("versionId", "3")], "s3:GetObject s3:GetObjectVersion"),
        (Method::Put, &[], "s3:PutObject"),
        (Method::Delete, &[("versionId", "3")], "s3:DeleteObject s3:DeleteObjectVersion"),
    ] {
        let request = Request { connection: other(), query: pairs(query), ..asked(method) };
        let expected = expected(actions, "arn:aws:s3:::media/a/b.pdf", "");
        assert_eq!(of_object(&request), Ok(expected), "{method} {query:?}");
    }
}

#[test]
fn a_resource_is_the_arn_of_the_store_and_the_bucket() {
    let point = |partition: &str, colon: char| {
        format!("arn:{partition}:s3:us-west-2:123456789012:accesspoint{colon}name")
    };
    let cases = [
        (aws("cn-north-1"), "media".to_owned(), "arn:aws-cn:s3:::media"),
        (aws("us-gov-west-1"), "media".to_owned(), "arn:aws-us-gov:s3:::media"),
        (aws("eusc-de-east-1"), "media".to_owned(), "arn:aws-eusc:s3:::media"),
        (aws("us-iso-east-1"), "media".to_owned(), "arn:aws-iso:s3:::media"),
        (aws("us-isob-east-1"), "media".to_owned(), "arn:aws-iso-b:s3:::media"),
        (aws("us-isof-south-1"), "media".to_owned(), "arn:aws-iso-f:s3:::media"),
        (aws("eu-isoe-west-1"), "media".to_owned(), "arn:aws-iso-e:s3:::media"),
        (aws("us-east-1"), "me.dia".to_owned(), "arn:aws:s3:::me.dia"),
        (
            Connection { region: "cn-north-1".to_owned(), ..other() },
            "Me_dia".to_owned(),
            "arn:aws:s3:::Me_dia",
        ),
        (other(), "team:media".to_owned(), "arn:aws:s3::team:media"),
        (aws("us-west-2"), point("aws", '/'), "arn:aws:s3:us-west-2:123456789012:accesspoint/name/object"),
        (
            aws("us-west-2"),
            point("aws-x", ':'),
            "arn:aws-x:s3:us-west-2:123456789012:accesspoint/name/object",
        ),
    ];
    for (connection, bucket, arn) in cases {
        let request = Request { connection, bucket, ..asked(Method::Delete) };
        assert_eq!(of_object(&request), Ok(expected("s3:DeleteObject", &format!("{arn}/a/b.pdf"), "")));
    }
    let china = of_object(&Request { connection: aws("cn-north-1"), ..asked(Method::Get) }).unwrap();
    assert!(china.contains(r#""kms:ViaService":"s3.cn-north-1.amazonaws.com.cn""#), "{china}");
}

#[test]
fn a_key_is_literal() {
    for (key, written) in [
        ("a*b", "a${*}b"),
        ("a?b", "a${?}b"),
        ("$a", "${$}a"),
        ("${*}", "${$}{${*}}"),
        ("${aws:username}", "${$}{aws:username}"),
        ("a\"b\\c", r#"a\"b\\c"#),
        ("ä", "\\u00e4"),
        ("日🦀", "\\u65e5\\ud83e\\udd80"),
        ("{namespace}", "{namespace}"),
    ] {
        let request = Request { key: key.to_owned(), ..asked(Method::Delete) };
        let expected = expected("s3:DeleteObject", &format!("arn:aws:s3:::media/{written}"), "");
        assert_eq!(of_object(&request), Ok(expected), "{key}");
        let elsewhere = of_object(&Request { connection: other(), ..request });
        match key.chars().find(|c| "*?$".contains(*c)) {
            Some(character) => assert_eq!(elsewhere, Err(Unnarrowable::Key { character }), "{key}"),
            None => assert!(elsewhere.is_ok(), "{key}"),
        }
    }
    assert_eq!(
        Unnarrowable::Key { character: '*' }.to_string(),
        "the session cannot be narrowed to the object, because spec.key has '*', which its store may read as a wildcard: choose another key, or set session.narrowTo to Namespace or Nothing"
    );
}

#[test]
fn a_header_that_names_another_object_is_refused() {
    for header in ["x-amz-copy-source", "X-Amz-Copy-Source", "x-amz-rename-source", "x-oss-copy-source"] {
        let request = Request { headers: pairs(&[(header, "/other/key")]), ..asked(Method::Put) };
        let refused = of_object(&request).unwrap_err();
        assert_eq!(refused, Unnarrowable::Source { header: header.to_owned() });
        let message = refused.to_string();
        assert!(
            message.contains(&format!("the header {header} makes")) && !message.contains("/other"),
            "{message}"
        );
    }
}

#[test]
fn a_policy_has_at_most_2048_characters() {
    let long = |characters: &str, count: usize| {
        of_object(&Request { key: characters.repeat(count), ..asked(Method::Delete) })
    };
    let frame = long("a", 1).unwrap().len() - 1;
    assert_eq!(long("a", 2048 - frame).unwrap().len(), 2048);
    let length = 2049;
    assert_eq!(long("a", 2049 - frame), Err(Unnarrowable::LongForObject { length }));
    // A key of half the permitted length, in characters that AWS takes only as escapes.
    let length = frame + 512 * 6;
    assert_eq!(long("я", 512), Err(Unnarrowable::LongForObject { length }));
    let message = Unnarrowable::LongForObject { length: 2049 }.to_string();
    assert!(
        message.contains("would have 2049 characters, and at most 2048 are possible: choose a"),
        "{message}"
    );
}
