ALTER n TYPE mood USING n::mood
