"""All writing of a message's state: the journal, the settling of outcomes, and what people do by hand."""
