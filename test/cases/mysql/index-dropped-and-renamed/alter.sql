DROP KEY by_a, RENAME KEY by_b TO renamed
