"""SimVP and the translators that share its frame: gSTA, IncepU, TAU, WSF."""
