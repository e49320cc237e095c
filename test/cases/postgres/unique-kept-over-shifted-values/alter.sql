ADD added int DEFAULT 7
