"""Reading of mail that came in: who wrote to whom, what it says, and what it reports. Whatever its octets are, nothing here raises."""
