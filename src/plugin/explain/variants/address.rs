//! Variants of the host and of the path.

use super::Variant;
use crate::plugin::explain::difference::RequestPart;
use crate::plugin::explain::sent::{KnownSigned, SentRequest, default_port};
use crate::plugin::reading::{aws_bucket, aws_region};
use crate::plugin::url_text::decode;
use crate::s3::encode;

/// Other hosts that the URL may have been signed for.
pub(super) fn hosts(sent: &SentRequest, known: &KnownSigned) -> Vec<Variant> {
    let host = sent.host();
    let mut all = ports(sent, &host);
    for signed in known.hosts.iter().filter(|signed| **signed != host) {
        all.push(other(&host, signed, "send the request to that host, or ask for a URL for this one"));
    }
    let authority = sent.url.authority.clone();
    if sent.header("host").is_some() && authority != host {
        all.push(other(
            &host,
            &authority,
            "remove the header Host, or let the proxy pass on the original one",
        ));
    }
    let written = [
        host.to_ascii_uppercase(),
        authority.clone(),
        format!("{host}."),
        host.trim_end_matches('.').to_owned(),
    ];
    for signed in written.iter().filter(|signed| **signed != host) {
        all.push(other(
            &host,
            signed,
            "ask for a URL with the host in lower case and without a dot at its end",
        ));
    }
    let replaced = [("localhost", "127.0.0.1"), ("127.0.0.1", "localhost")];
    for (from, to) in replaced {
        if let Some(port) = host.strip_prefix(from) {
            let signed = format!("{to}{port}");
            all.push(other(&host, &signed, "use one of the two names for both"));
        }
    }
    for signed in aws_hosts(&host) {
        all.push(other(&host, &signed, "send the request to the host that is in the URL as it was issued"));
    }
    all.extend(styles(sent, &host));
    all
}

fn other(host: &str, signed: &str, fix: &str) -> Variant {
    let new = signed.to_owned();
    Variant::new(
        RequestPart::Host,
        format!("the URL is signed for the host {signed}, and the store sees {host}"),
        fix,
        move |parts| new.clone_into(&mut parts.host),
    )
}

/// Hosts that differ in a port.
fn ports(sent: &SentRequest, host: &str) -> Vec<Variant> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(port)),
        _ => (host, None),
    };
    let default = default_port(&sent.url.scheme);
    let fix =
        format!("remove {default} from the endpoint that signs: HTTP clients do not send the default port");
    let mut all = Vec::new();
    let mut add = |signed: String, fix: &str| {
        let found = format!("the URL is signed for {signed}, and the store sees {host}");
        all.push(Variant::new(RequestPart::DefaultPort, found, fix, move |parts| {
            signed.clone_into(&mut parts.host);
        }));
    };
    if port.is_some() {
        let fix = "remove the port from the header Host, or sign for the host with its port";
        add(name.to_owned(), fix);
    } else {
        for port in [":443", ":80"] {
            add(format!("{name}{port}"), &fix);
        }
    }
    for port in [":9000", ":8080", ":8333", ":7480", ":3900", ":8443"] {
        if !host.ends_with(port) {
            let fix = format!("send the request with the port {port}, or sign for the host that clients use");
            add(format!("{name}{port}"), &fix);
        }
    }
    all
}

/// Other hosts of AWS for the same store.
fn aws_hosts(host: &str) -> Vec<String> {
    let (Some(bucket), Some((_, domain))) = (aws_bucket(host), host.split_once(".amazonaws.com")) else {
        return Vec::new();
    };
    let front = if bucket.is_empty() { bucket } else { format!("{bucket}.") };
    let mut hosts = vec![format!("{front}s3.amazonaws.com{domain}")];
    let regions = ["us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-central-1"];
    let regions = aws_region(host).into_iter().chain(regions.map(str::to_owned));
    for region in regions {
        for service in ["s3.", "s3-", "s3.dualstack.", "s3-fips."] {
            hosts.push(format!("{front}{service}{region}.amazonaws.com{domain}"));
        }
    }
    hosts.retain(|other| other != host);
    hosts.dedup();
    hosts
}

/// The bucket in the host in place of the path, and the other way round.
fn styles(sent: &SentRequest, host: &str) -> Vec<Variant> {
    let fix = "send the request to the address as it was issued: with the bucket where it was signed";
    let path = encode::path(&decode(&sent.url.path));
    let mut all = Vec::new();
    let mut add = |host: String, path: String, found: &str| {
        all.push(Variant::new(RequestPart::Host, found, fix, move |parts| {
            host.clone_into(&mut parts.host);
            path.clone_into(&mut parts.path);
        }));
    };
    if let Some((bucket, store)) = host.split_once('.') {
        let found = format!(
            "the URL is signed with the bucket {bucket} in the path, and is sent with it in the host"
        );
        add(store.to_owned(), format!("/{bucket}{path}"), &found);
    }
    if let Some((bucket, key)) = path.trim_start_matches('/').split_once('/') {
        let found = format!(
            "the URL is signed with the bucket {bucket} in the host, and is sent with it in the path"
        );
        add(format!("{bucket}.{host}"), format!("/{key}"), &found);
    }
    all
}

/// Other encodings of the path.
pub(super) fn paths(sent: &SentRequest) -> Vec<Variant> {
    let raw = sent.url.path.clone();
    let once = decode(&raw);
    let sent_path = encode::path(&once);
    let mut all: Vec<Variant> = Vec::new();
    let mut add = |path: String, found: &str, fix: &str| {
        if path != sent_path {
            all.push(Variant::new(RequestPart::KeyEncoding, found, fix, move |parts| {
                path.clone_into(&mut parts.path);
            }));
        }
    };
    let as_is = "send the URL exactly as it was issued, without decoding or encoding it again";
    let signer = "give the signer the key as it is stored, not encoded: it encodes it once";
    add(
        encode::path(&decode(&once)),
        "the key is encoded twice in what is sent, and was signed encoded once",
        as_is,
    );
    add(
        encode::path(&sent_path),
        "the key was encoded twice when it was signed, and is sent encoded once",
        signer,
    );
    add(encode::path(&raw), "the key was encoded twice when it was signed, and is sent encoded once", signer);
    add(raw.clone(), "the path was signed as it is written, without the encoding that stores expect", signer);
    add(once.clone(), "the key was signed without any encoding", signer);
    add(
        encode::path(&once.replace('+', " ")),
        "a space of the key is sent as +, which is a plus in a path",
        "write %20 for a space: + stands for a space only in forms",
    );
    add(
        encode::path(&once.replace(' ', "+")),
        "a plus of the key is sent as a space",
        "write %2B for a plus, and send the URL as it was issued",
    );
    add(sent_path.replace("%20", "+"), "the key was signed with + for a space, as in a form", signer);
    add(
        lower_digits(&sent_path),
        "the path was signed with lower-case digits in its percent signs, and stores use upper-case ones",
        "use a signer that writes %C3 and not %c3",
    );
    add(
        slashes(&once, true),
        "slashes of the key were signed as %2F",
        "use a signer that leaves slashes in keys",
    );
    let twice = once.replace("//", "/");
    add(encode::path(&twice), "the key is sent with two slashes in a row, and was signed with one", as_is);
    if let Some((bucket, key)) = once.trim_start_matches('/').split_once('/') {
        let found = "the key begins with a slash: two slashes were signed, and a client or proxy sends one";
        add(
            encode::path(&format!("/{bucket}//{key}")),
            found,
            "avoid keys that begin with a slash, or keep both slashes",
        );
        add(encode::path(&format!("//{bucket}/{key}")), found, as_is);
    }
    match once.strip_suffix('/') {
        Some(without) => add(encode::path(without), "a slash was added to the end of the path", as_is),
        None => add(encode::path(&format!("{once}/")), "the slash at the end of the path was removed", as_is),
    }
    add(
        encode::path(&once.to_lowercase()),
        "the key is sent with upper-case letters, and was signed in lower case",
        as_is,
    );
    all
}

/// The path with lower-case digits in its percent signs.
fn lower_digits(path: &str) -> String {
    let mut parts = path.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(part.len().min(2));
        text.extend(["%", &digits.to_ascii_lowercase(), rest]);
    }
    text
}

/// The path with the slashes of its key encoded, if it has a bucket in it.
fn slashes(path: &str, has_bucket: bool) -> String {
    match path.trim_start_matches('/').split_once('/') {
        Some((bucket, key)) if has_bucket => {
            format!("/{}/{}", encode::component(bucket), encode::component(key))
        }
        _ => encode::path(path),
    }
}
