"""The password that the tests' mail servers know, for those as well that know no Django."""

PASSWORD = "not-a-real-password"
