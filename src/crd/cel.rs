//! Parts of CEL expressions that several rules share: macros, since a rule is one literal.

/// Whether a text is a duration in whole hours, minutes and seconds.
macro_rules! is_duration {
    ($text:literal) => {
        concat!($text, ".matches('^([0-9]{1,6}[hms])+$')")
    };
}

/// Whether a duration has 1000 hours or more. CEL's `duration()` fails beyond 292 years.
macro_rules! is_huge {
    ($text:literal) => {
        concat!($text, ".matches('[1-9][0-9]{3,5}h')")
    };
}

/// Whether a duration is in a range. It comes after `is_duration!`, and in parentheses behind another operator.
macro_rules! is_between {
    ($text:literal, $least:literal, $most:literal) => {
        concat!(
            "!",
            is_huge!($text),
            " && duration(",
            $text,
            ") >= duration('",
            $least,
            "') && duration(",
            $text,
            ") <= duration('",
            $most,
            "')"
        )
    };
}

/// Whether an optional duration, if it is one, is at most an hour. It needs parentheses behind another operator.
macro_rules! is_at_most_an_hour {
    ($text:literal) => {
        concat!(
            "!has(",
            $text,
            ") || !",
            is_duration!($text),
            " || ",
            is_huge!($text),
            " || duration(",
            $text,
            ") <= duration('1h')"
        )
    };
}

/// Whether a text is a number without a unit.
macro_rules! is_number {
    ($text:literal) => {
        concat!($text, ".matches('^[+]?[0-9]+$')")
    };
}

/// Whether a text is a duration with days or weeks.
macro_rules! is_in_days {
    ($text:literal) => {
        concat!($text, ".matches('^[0-9hmsdw]*[0-9][dw]([0-9]|$)')")
    };
}

/// Whether a text is a name of an object.
macro_rules! is_dns_name {
    ($text:literal) => {
        concat!("!format.dns1123Subdomain().validate(", $text, ").hasValue()")
    };
}

/// Whether a text is one part of a name in DNS.
macro_rules! is_dns_label {
    ($text:literal) => {
        concat!($text, ".matches('^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')")
    };
}

/// Whether a text is a region that stands for all.
macro_rules! is_global {
    ($text:literal) => {
        concat!($text, ".matches('^aws(-[a-z]+)*-global$')")
    };
}

/// Whether a text is visible ASCII, with spaces only inside.
macro_rules! is_visible {
    ($text:literal) => {
        concat!($text, ".matches('^[!-~]([ -~]*[!-~])?$')")
    };
}

/// Whether a label or an annotation is one that the operator sets. It needs parentheses behind another operator.
macro_rules! is_set_by_the_operator {
    ($text:literal) => {
        concat!($text, ".startsWith('presign.dev/') || ", $text, " == 'app.kubernetes.io/managed-by'")
    };
}

/// Whether `self.bucket` is the ARN of an access point in a region.
macro_rules! is_access_point {
    () => {
        "self.bucket.matches('^arn:aws(-[a-z]+)*:s3:[a-z0-9-]+:[0-9]{12}:accesspoint[/:][a-z0-9]([a-z0-9-]{1,48}[a-z0-9])$')"
    };
}

/// Whether `self.endpoint` holds a user or a password.
macro_rules! has_userinfo {
    () => {
        "self.endpoint.split('://', 2)[1].split('/', 2)[0].contains('@')"
    };
}

/// Whether the port and the IPv6 address of `self.endpoint`, where it has them, can exist.
macro_rules! has_possible_port_and_ipv6 {
    () => {
        "!self.endpoint.matches(':0*(6553[6-9]|655[4-9][0-9]|65[6-9][0-9]{2}|6[6-9][0-9]{3}|[7-9][0-9]{4})(/|$)') && (!self.endpoint.contains('[') || isIP(self.endpoint.split('[')[1].split(']')[0]))"
    };
}
