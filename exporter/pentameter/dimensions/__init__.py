"""The functional core: one file per subject, formulas with the metrics they feed beside them."""
