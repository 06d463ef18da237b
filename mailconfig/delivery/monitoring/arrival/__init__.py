"""Standing of an account's mail with receivers: SPF, DKIM and DMARC of its domains, as anybody can look them up."""
