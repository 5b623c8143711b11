//! The validation rules of signers, as `rules` has those of `PresignedUrl`.
//!
//! `domain::signer` checks the same again, and answers with the same sentences.

use super::rules::Rule;

rules! {
    // spec.allowedNamespaces

    NAMESPACES_NAMES, "names",
        "self.from == 'Names' ? has(self.names) && size(self.names) > 0 : !has(self.names)",
        "list at least one namespace if from is Names, and remove names otherwise";
    NAMESPACES_SELECTOR, "selector",
        "self.from == 'Selector' ? has(self.selector) && (has(self.selector.matchLabels) && size(self.selector.matchLabels) > 0 || has(self.selector.matchExpressions) && size(self.selector.matchExpressions) > 0) : !has(self.selector)",
        "give at least one requirement if from is Selector, and remove selector otherwise; use from: All for every namespace";

    NAMESPACES_VALUES, "selector",
        "!has(self.selector) || !has(self.selector.matchExpressions) || self.selector.matchExpressions.all(part, (part.operator in ['In', 'NotIn']) == (has(part.values) && size(part.values) > 0))",
        "needs values for the operators In and NotIn, and no values for Exists and DoesNotExist";

    // spec.policy

    RULE_NAMES, "rules",
        "self.rules.all(rule, self.rules.exists_one(other, other.name == rule.name))",
        "must have different names: the condition Permitted shows the name of the rule";

    // spec.policy.rules

    RULE_KEYS, "keyPrefixes",
        "has(self.keyPrefixes) != has(self.keys)",
        "set keyPrefixes or keys: what the key must begin with, or the keys themselves";
    RULE_PREFIXES, "keyPrefixes",
        "!has(self.keyPrefixes) || self.keyPrefixes.all(prefix, prefix.matches('^(([^/{}]+|[{](namespace|name)[}])/)+$') && !prefix.matches('(^|/)[.][.]?/'))",
        "each must end with a slash, without '.', '..' or nothing between slashes, and with no braces but {namespace} and {name}, each as a whole part between slashes, such as tenants/{namespace}/";
    RULE_VARIABLES, "keys",
        "!has(self.keys) || self.keys.all(key, key.matches('^([^/{}]+|[{](namespace|name)[}])(/([^/{}]+|[{](namespace|name)[}]))*$') && !key.matches('(^|/)[.][.]?(/|$)'))",
        "each must be a whole key, without '.', '..' or nothing between slashes, and with no braces but {namespace} and {name}, each as a whole part between slashes, such as reports/{namespace}/daily.csv";
    RULE_CAP, "maxExpiresIn",
        concat!("!has(self.maxExpiresIn) || (", is_duration!("self.maxExpiresIn"), " && ", is_between!("self.maxExpiresIn", "1m", "168h"), ")"),
        "must be from 1m to 168h, in whole hours, minutes and seconds, such as 6h";
    RULE_HEADERS, "allowHeaders",
        "!has(self.allowHeaders) || self.allowHeaders.all(name, name.matches('^[A-Za-z0-9_.~!#$%&+^|-]+[*]?$'))",
        "each must be the name of a header, or its beginning and a '*', such as x-amz-meta-*";
}
