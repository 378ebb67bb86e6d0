"""Any number of labels at once as what is asked."""
