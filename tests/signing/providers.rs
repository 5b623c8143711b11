//! `docs/providers.md` tells the truth: each block signs, for the address beside it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use presign_operator::domain::policy::Requester;
use presign_operator::domain::request::{Addressing, AwsAddress, aws_host};
use presign_operator::domain::{Credentials, Request};
use serde_json::{Value, json};

use crate::facts::{Facts, sign};
use crate::sigv4::{Arrived, Key, verify};

const PAGE: &str = include_str!("../../docs/providers.md");

/// What holds for all stores has a section, too.
const COMMON: &str = "What every store has in common";

/// The sections of the stores by their headings.
fn sections() -> BTreeMap<&'static str, &'static str> {
    let sections = PAGE.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap());
    sections.filter(|(heading, _)| *heading != COMMON).collect()
}

/// The blocks of a section, each with the URL below it.
fn blocks(section: &str) -> Vec<(Value, &str)> {
    let block = |text: &'_ str| -> Value { serde_saphyr::from_str(text).unwrap() };
    let parts = section.split("```yaml\n").skip(1).map(|part| {
        let (yaml, rest) = part.split_once("```\nURL: `").unwrap();
        (block(yaml), rest.split('`').next().unwrap())
    });
    parts.collect()
}

fn credentials() -> Credentials {
    let reference = serde_json::from_value(json!({"name": "keys"})).unwrap();
    let data = [("access-key-id", "AKIA"), ("secret-access-key", "secret")];
    let data = data.map(|(key, text)| (key.to_owned(), ByteString(text.as_bytes().to_vec())));
    Credentials::parse(&reference, &data.into()).unwrap()
}

#[test]
fn every_block_signs_for_the_address_beside_it() {
    let mut count = 0;
    for (store, section) in sections() {
        let blocks = blocks(section);
        assert!(!blocks.is_empty(), "{store}");
        for (block, url) in blocks {
            let mut spec = json!({"bucket": "reports", "key": "q3 summary.pdf"});
            for (name, value) in block.as_object().unwrap() {
                spec[name] = value.clone();
            }
            let spec = serde_json::from_value(spec).unwrap();
            let request = Request::inline(Requester::new("team-a", "report"), &spec, None).unwrap();
            let signed = sign(&request, &credentials(), Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(signed.location(), url, "{store}");

            let facts = Facts::issue(&spec, &credentials(), Timestamp::UNIX_EPOCH).unwrap();
            let key = Key { id: "AKIA", secret: "secret", region: &spec.s3.as_ref().unwrap().region };
            assert_eq!(
                verify(&Arrived { method: "GET", url: &facts.url, headers: &[] }, &key),
                Ok(()),
                "{store}"
            );
            count += 1;
        }
    }
    assert_eq!(count, sections().len() + 4);
}

#[test]
fn the_table_lists_every_store_and_claims_no_more_than_the_tests_do() {
    let (table, _) = PAGE.split_once(&format!("\n## {COMMON}\n")).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Store"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let listed: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, sections().into_keys().collect::<Vec<_>>());
    for row in rows {
        let [store, bucket, write_once, copy, known_by] = row[..] else { panic!("{row:?}") };
        let (block, _) = blocks(sections()[store]).remove(0);
        let spec = json!({"bucket": "reports", "key": "a", "s3": block["s3"]});
        let request =
            Request::inline(Requester::new("team-a", "report"), &serde_json::from_value(spec).unwrap(), None)
                .unwrap();
        let expected = match request.connection.addressing {
            Addressing::Path => "in the path",
            Addressing::VirtualHosted => "in the host",
            Addressing::BucketEndpoint => "is the host",
        };
        assert_eq!(bucket, expected, "{store}");
        assert!(["honoured", "ignored", "refused", "unknown"].contains(&write_once), "{store}: {write_once}");
        assert!(["carried out", "refused", "unknown"].contains(&copy), "{store}: {copy}");
        // These two run in `stores`.
        let is_tested = ["versitygw", "s3s"].contains(&store);
        assert_eq!(known_by == "our tests", is_tested, "{store}");
        if let Some(version) = known_by.strip_prefix("verified on ") {
            let is_noted = sections()[store].contains(&format!("Verified on {version}"));
            assert!(is_noted, "{store}: its section says what was seen on {version}");
        } else {
            assert!(["our tests", "its published rules"].contains(&known_by), "{store}: {known_by}");
        }
    }
}

/// The ARN of an access point in a region.
fn arn(region: &str) -> String {
    let partitions = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("us-iso-", "aws-iso"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ];
    let partition = partitions.into_iter().find(|(start, _)| region.starts_with(start));
    let partition = partition.map_or("aws", |(_, partition)| partition);
    format!("arn:{partition}:s3:{region}:123456789012:accesspoint/reports")
}

/// One of each partition, and others.
const REGIONS: [&str; 10] = [
    "us-east-1",
    "eu-central-1",
    "us-gov-west-1",
    "cn-north-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "us-isof-south-1",
    "eu-isoe-west-1",
    "eusc-de-east-1",
    // One that AWS does not have yet.
    "eu-north-9",
];

#[test]
fn the_host_that_a_limit_checks_is_the_one_that_is_signed() {
    for region in REGIONS {
        for (bucket, style) in [
            ("reports".to_owned(), "Auto"),
            ("reports".to_owned(), "Path"),
            ("reports.eu".to_owned(), "Auto"),
            (arn(region), "Auto"),
        ] {
            looked_at_as_signed(region, &bucket, style, AwsAddress::default());
        }
    }
}

#[test]
fn the_other_addresses_of_aws_are_signed_as_they_are_checked() {
    for (dual_stack, fips) in [(true, false), (false, true), (true, true)] {
        for region in REGIONS.iter().filter(|region| !(fips && region.starts_with("cn-"))) {
            for (bucket, style) in [
                ("reports".to_owned(), "VirtualHosted"),
                ("reports".to_owned(), "Path"),
                (arn(region), "Auto"),
            ] {
                looked_at_as_signed(region, &bucket, style, AwsAddress { dual_stack, fips });
            }
        }
    }
}

fn looked_at_as_signed(region: &str, bucket: &str, style: &str, address: AwsAddress) {
    let s3 = json!({
        "region": region, "addressingStyle": style, "credentials": {"secretRef": {"name": "keys"}},
        "aws": {"dualStack": address.dual_stack, "fips": address.fips},
    });
    let spec = serde_json::from_value(json!({"bucket": bucket, "key": "k", "s3": s3})).unwrap();
    let request = Request::inline(Requester::new("team-a", "report"), &spec, None).unwrap();
    // The signer compares the host with that one, too.
    let signed = sign(&request, &credentials(), Timestamp::UNIX_EPOCH)
        .unwrap_or_else(|error| panic!("{bucket} in {region}: {error}"));
    let signed = url::Url::parse(signed.location()).unwrap();
    let (signed, looked_at) = (signed.host_str().unwrap(), aws_host(bucket, region, address));
    let is_it = signed == looked_at || signed.ends_with(&format!(".{looked_at}"));
    assert!(is_it, "{bucket} in {region}: {signed} is signed, {looked_at} was looked at");
}
