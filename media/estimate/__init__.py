"""What is wrong with a clip, estimated from a few of its frames: noise, blur, compression, combing, light."""
