//! The broken requests, five of each kind.

use super::*;

fn hosts() -> Vec<Broken> {
    let part = RequestPart::Host;
    let plain = || signed(json!({}));
    let minio = || signed(store("http://minio.minio.svc:9000"));
    let hosted = || {
        signed(json!({"s3": {
            "region": "us-west-2", "credentials": {"secretRef": {"name": "a"}}, "addressingStyle": "VirtualHosted",
        }}))
    };
    vec![
        broken(
            part,
            "signed for the host minio.minio.svc:9000",
            minio().replace("minio.minio.svc:9000", "files.example"),
        )
        .knowing(&["minio.minio.svc:9000"], &[]),
        broken(part, "signed for the host s3.us-west-2", plain()).send("GET", &[("Host", "proxy.example")]),
        broken(part, "s3.us-west-2.amazonaws.com, and", plain().replace("s3.us-west-2.", "s3.")),
        broken(
            part,
            "in the host, and is sent with it in the path",
            hosted().replace("reports.s3.us-west-2.amazonaws.com/", "s3.us-west-2.amazonaws.com/reports/"),
        ),
        broken(
            part,
            "in the path, and is sent with it in the host",
            plain().replace("s3.us-west-2.amazonaws.com/reports/", "reports.s3.us-west-2.amazonaws.com/"),
        ),
    ]
}

fn default_ports() -> Vec<Broken> {
    let part = RequestPart::DefaultPort;
    let with_port = |url: &str, host: &str| {
        let host = host.to_owned();
        signed_wrongly(url, &[], move |parts| host.clone_into(&mut parts.host))
    };
    let https = signed(store("https://store.example"));
    let http = signed(store("http://store.example"));
    let minio = signed(store("http://store.example:9000"));
    vec![
        broken(part, "signed for store.example:443", with_port(&https, "store.example:443")),
        broken(part, "signed for store.example:80", with_port(&http, "store.example:80")),
        broken(
            part,
            "signed for store.example:443",
            with_port(&https, "store.example:443").replace("store.example/", "store.example:443/"),
        ),
        broken(part, "the store sees store.example:443", https).send("GET", &[("Host", "store.example:443")]),
        broken(part, "signed for store.example:9000", minio.replace(":9000", "")),
    ]
}

fn changed_headers() -> Vec<Broken> {
    let part = RequestPart::Header;
    let typed = || signed(headers(json!({"Content-Type": "application/pdf"})));
    vec![
        broken(part, "content-type is signed (application/pdf) and not sent", typed()).send("PUT", &[]),
        broken(part, "content-type is signed as \"application/pdf\"", typed())
            .send("PUT", &[("Content-Type", "application/pdf; charset=utf-8")]),
        broken(
            part,
            "x-amz-meta-team is signed as \"red\"",
            signed(headers(json!({"x-amz-meta-team": "red"}))),
        )
        .send("PUT", &[("x-amz-meta-team", "blue")])
        .knowing(&[], &[("x-amz-meta-team", "red")]),
        broken(part, "x-amz-acl is sent and not signed", signed(json!({"method": "PUT"})))
            .send("PUT", &[("x-amz-acl", "public-read")]),
        broken(
            part,
            "x-amz-meta-note is signed as \"a  b\"",
            signed_wrongly(&signed(headers(json!({"x-amz-meta-note": "a b"}))), &[], |parts| {
                "PUT".clone_into(&mut parts.method);
                parts.set_header("x-amz-meta-note", "a  b");
            }),
        )
        .send("PUT", &[("x-amz-meta-note", "a  b")]),
    ]
}

fn methods() -> Vec<Broken> {
    let pairs = [("GET", "PUT"), ("PUT", "GET"), ("GET", "HEAD"), ("PUT", "POST"), ("DELETE", "GET")];
    let said = [
        "signed for GET, and PUT is sent",
        "signed for PUT, and GET is sent",
        "signed for GET, and HEAD is sent",
        "signed for PUT, and POST is sent",
        "signed for DELETE, and GET is sent",
    ];
    let one = |((signs, sends), said): ((&str, &str), &'static str)| {
        broken(RequestPart::Method, said, signed(json!({"method": signs}))).send(sends, &[])
    };
    pairs.into_iter().zip(said).map(one).collect()
}

fn encodings() -> Vec<Broken> {
    let part = RequestPart::KeyEncoding;
    let plain = || signed(json!({}));
    let by = |change: fn(&mut SignedParts)| signed_wrongly(&plain(), &[], change);
    vec![
        broken(
            part,
            "encoded twice in what is sent",
            plain().replace("q3%20summary", "q3%2520summary").replace("%2B%C3%A9", "%252B%25C3%25A9"),
        ),
        broken(
            part,
            "a space of the key is sent as +",
            signed(json!({"key": "a b c.txt"})).replace("a%20b%20c", "a+b+c"),
        ),
        broken(part, "encoded twice when it was signed", by(|parts| parts.path = encode::path(&parts.path))),
        broken(
            part,
            "lower-case digits",
            by(|parts| parts.path = parts.path.replace("%C3%A9", "%c3%a9").replace("%2B", "%2b")),
        ),
        broken(
            part,
            "begins with a slash",
            signed(json!({"key": "/a.txt"})).replace("reports//a", "reports/a"),
        ),
    ]
}

fn clocks() -> Vec<Broken> {
    let part = RequestPart::Clock;
    let plain = || signed(json!({}));
    vec![
        broken(part, "expired 10m ago", plain()).at("2030-01-02T04:14:05Z", None),
        broken(part, "not valid yet", plain()).at("2030-01-02T02:04:05Z", None),
        broken(part, "7m ahead of that of the store", plain())
            .at("2030-01-02T03:17:00Z", Some("2030-01-02T03:10:00Z")),
        broken(
            part,
            "X-Amz-Expires was changed after signing: it was 3600",
            plain().replace("Expires=3600", "Expires=86400"),
        ),
        broken(part, "X-Amz-Date was changed", plain().replace("T030405Z&", "T050405Z&"))
            .at("2030-01-02T05:10:00Z", None),
    ]
}

fn sessions() -> Vec<Broken> {
    let part = RequestPart::Session;
    let session = credentials(Some(TOKEN));
    let url = || signed_with(json!({}), &credentials(Some(TOKEN)));
    let token = encode::component(TOKEN);
    let without = url().replace(&format!("&X-Amz-Security-Token={token}"), "");
    let mut ended = credentials(Some(TOKEN));
    ended.expiration = Some(at("2030-01-02T03:09:00Z"));
    let added = signed(json!({}))
        .replace("&X-Amz-Signature", &format!("&X-Amz-Security-Token={token}&X-Amz-Signature"));
    vec![
        broken(part, "is missing in the URL", without).with(session.clone()),
        broken(part, "another session token", url().replace(&token, "another")).with(session.clone()),
        broken(part, "added to the URL after signing", added).with(session.clone()),
        broken(part, "a + that is not encoded", url().replace("%2Btoken", "+token")).with(session),
        broken(part, "ended 1m ago", url()).with(ended),
    ]
}

fn keys() -> Vec<Broken> {
    let part = RequestPart::AccessKey;
    let other = |id: &str, secret: &str| {
        let mut other = credentials(None);
        other.access_key_id = Sensitive::new(id.to_owned());
        other.secret_access_key = Sensitive::new(secret.to_owned());
        other
    };
    let (own_id, own) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    let by = |secret: String| signed_with(json!({}), &other(own_id, &secret));
    vec![
        broken(part, "the secret access key differs", by("another-secret-access-key".to_owned())),
        broken(part, "another access key id", signed_with(json!({}), &other("AKIAANOTHEREXAMPLE00", own))),
        broken(part, "with a line break after it", by(format!("{own}\n"))),
        broken(part, "with quotes around it", by(format!("\"{own}\""))),
        broken(part, "a + in the secret access key was read as a space", by(own.replace('+', " "))),
    ]
}

fn scopes() -> Vec<Broken> {
    let part = RequestPart::Scope;
    let plain = || signed(json!({}));
    let of_host = "the host is in us-west-2";
    vec![
        broken(
            part,
            "was signed for us-east-1",
            signed(store("https://store.example")).replace("us-east-1", "eu-west-1"),
        ),
        broken(part, of_host, plain().replace("%2Fus-west-2%2F", "%2Fus-east-1%2F")),
        broken(part, "for the service execute-api", plain().replace("%2Fs3%2F", "%2Fexecute-api%2F")),
        broken(part, "the dates in X-Amz-Credential", plain().replace("%2F20300102%2F", "%2F20300103%2F")),
        broken(part, "does not end with aws4_request", plain().replace("aws4_request", "aws5_request")),
    ]
}

fn queries() -> Vec<Broken> {
    let part = RequestPart::Query;
    let plain = || signed(json!({}));
    let named = || signed(json!({"response": {"contentDisposition": "attachment; filename=\"a b.pdf\""}}));
    let with_id = signed_wrongly(&plain(), &[], |parts| parts.set_parameter("x-id", Some("GetObject")));
    vec![
        broken(part, "utm_source was added", format!("{}&utm_source=mail", plain())),
        broken(part, "x-id=GetObject was signed", with_id),
        broken(
            part,
            "is encoded twice",
            named().replace(
                "attachment%3B%20filename%3D%22a%20b.pdf%22",
                "attachment%253B%2520filename%253D%2522a%2520b.pdf%2522",
            ),
        ),
        broken(part, "fbclid was added", plain().replace("?X-Amz", "?fbclid=abc&X-Amz")),
        broken(
            part,
            "response-content-type was added",
            format!("{}&response-content-type=text%2Fhtml", plain()),
        ),
    ]
}

/// All broken requests.
pub(super) fn all() -> impl Iterator<Item = Broken> {
    let kinds = [
        hosts(),
        default_ports(),
        changed_headers(),
        methods(),
        encodings(),
        clocks(),
        sessions(),
        keys(),
        scopes(),
        queries(),
    ];
    kinds.into_iter().flatten()
}
