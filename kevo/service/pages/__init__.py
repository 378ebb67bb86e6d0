"""The pages: plain HTML that works without JavaScript, each at an address of its own."""
