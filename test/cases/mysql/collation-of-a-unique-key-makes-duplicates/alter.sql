MODIFY v VARCHAR(40) COLLATE utf8mb4_unicode_ci
