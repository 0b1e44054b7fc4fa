"""The Connected Apps API: its requests and answers, and the client that sends them."""
