"""The contract: messages and stubs of convscope.v1, generated from the .proto files beside them."""
